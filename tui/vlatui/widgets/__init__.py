"""Widgets that paint lines and do no I/O."""
