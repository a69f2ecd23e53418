"""The processes that own a run."""
