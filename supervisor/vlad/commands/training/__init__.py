"""Verbs of our trainer, most of them answered by it."""
