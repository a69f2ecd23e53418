"""Launches, owns and explains training runs."""
