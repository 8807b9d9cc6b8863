"""Faults injected into the hardware, and whether its bench notices."""
