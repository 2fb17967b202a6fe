"""Shell: the only part of the station that does input and output for the engine; everything here stays resident."""
