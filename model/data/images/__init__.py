"""Images as data: PNG and JPEG files in folders and archives."""
