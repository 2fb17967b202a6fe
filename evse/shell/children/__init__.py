"""Jobs that run in a short-lived child process: they may load what the station must not."""
