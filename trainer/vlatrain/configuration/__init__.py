"""The settings of a run: their defaults and checks, where they come from, what can be told before a model loads."""
