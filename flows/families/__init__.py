"""Chip families: one module holds all facts of one."""
