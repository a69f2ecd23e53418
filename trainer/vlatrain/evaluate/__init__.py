"""Rollouts of the live model and what they say."""
