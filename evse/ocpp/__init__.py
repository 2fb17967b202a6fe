"""OCPP 1.6, 2.0.1 and 2.1 without input or output: facts and frames in, frames and effects out."""
