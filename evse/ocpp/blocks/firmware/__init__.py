"""L. Firmware updates."""
