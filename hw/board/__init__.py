"""The design around a network on a board: clock, serial line, packets."""
