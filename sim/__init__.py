"""Cycle-accurate verification with cocotb."""
