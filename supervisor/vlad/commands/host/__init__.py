"""This host: its processes and GPUs, what it does by itself, and what it does for others."""
