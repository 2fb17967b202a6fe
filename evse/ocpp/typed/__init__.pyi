"""Types of every payload, one module a version: v16, v201, v21. For annotations only: there is no code to import."""
