"""What is on disk and on this host, as frozen values; the threads that look."""
