"""The command line, one module a noun: each has `add(subcommands, parents)` and what its commands do."""
