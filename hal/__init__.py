"""Hardware of a charging station: devices behind one small interface each, and boards that say where they are."""
