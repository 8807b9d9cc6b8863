"""Data sets: built in, downloaded, and the user's own."""
