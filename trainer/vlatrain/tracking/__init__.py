"""Experiment trackers beside the run's own records: wandb, TensorBoard, trackio; each optional."""
