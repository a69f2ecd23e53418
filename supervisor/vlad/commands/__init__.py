"""The verbs of the vlad command."""
