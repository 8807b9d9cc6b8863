"""Trained binary networks and the integer networks they are lowered to."""
