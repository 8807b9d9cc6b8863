"""The logic in an iCE40's bitstream."""
