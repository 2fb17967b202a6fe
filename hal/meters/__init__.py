"""Register maps of meters, one file a model; hal/meterfile.py says what stands in them."""
