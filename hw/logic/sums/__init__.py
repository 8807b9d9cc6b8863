"""Sums of bits, and what they are compared with."""
