"""H. Reservation."""
