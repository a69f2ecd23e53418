"""Demonstrations, from files to batches."""
