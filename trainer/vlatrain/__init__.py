"""A native OpenVLA LoRA trainer."""
