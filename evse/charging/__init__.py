"""Charging: what happens between the mains and a vehicle; knows nothing of OCPP."""
