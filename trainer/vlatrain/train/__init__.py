"""The training loop and everything it saves."""
