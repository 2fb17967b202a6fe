"""Firmware of an electric-vehicle charging station: the engine, its store and the process around it."""

__version__ = "0.1.0"
