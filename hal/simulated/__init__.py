"""Simulated hardware: the devices of hal.interfaces, and vehicles that plug in, ask, draw and misbehave."""
