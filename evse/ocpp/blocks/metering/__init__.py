"""J. MeterValues."""
