"""What surrounds training: recording and looking at data, checkpoints on their own, predictions, offline statistics."""
