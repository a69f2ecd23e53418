"""Starting runs: what is asked for, what it is checked against, and what is told of it."""
