"""What is asked of runs that are there: stop, resume, save, evaluate, wait, remove."""
