"""The ``htaflow`` command."""
