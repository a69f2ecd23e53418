"""A terminal dashboard that attaches to supervised runs."""
