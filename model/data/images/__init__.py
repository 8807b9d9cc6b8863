"""Images: files in class folders, and the order of their axes."""
