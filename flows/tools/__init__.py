"""External tools."""
