"""The rules of streams, proved."""
