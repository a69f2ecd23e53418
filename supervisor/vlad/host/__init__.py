"""What this machine says: processes, GPUs, evidence."""
