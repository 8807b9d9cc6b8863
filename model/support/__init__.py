"""What every package needs and knows nothing of networks: errors, files, processes, progress."""
