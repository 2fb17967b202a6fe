"""Certificates: signed, installed, listed, deleted."""
