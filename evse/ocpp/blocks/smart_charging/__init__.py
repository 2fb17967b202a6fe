"""K. Smart charging."""
