"""Demonstrations: read, put in order, batched and augmented."""
