"""Fuzzing: everything that htaflow reads, fed with what nobody means well by."""
