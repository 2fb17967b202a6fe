"""Drivers of real devices: each behind a Protocol of hal/interfaces.py, imported when a board file names it."""
