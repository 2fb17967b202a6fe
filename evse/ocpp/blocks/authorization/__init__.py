"""C. Authorization."""
