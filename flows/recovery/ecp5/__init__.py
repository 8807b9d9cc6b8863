"""The logic in an ECP5's bitstream."""
