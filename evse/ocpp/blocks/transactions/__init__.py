"""E. Transactions."""
