"""Levers of speed, one module each: every one leaves numbers as they are up to rounding, and can be switched off."""
