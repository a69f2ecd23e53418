"""What the dashboard asks of runs and of vlad."""
