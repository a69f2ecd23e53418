"""Looking at runs: lists, logs, terminals, causes of death, stacks."""
