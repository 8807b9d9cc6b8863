"""Faults to inject: what they are, where they can be, and the hardware that has one."""
