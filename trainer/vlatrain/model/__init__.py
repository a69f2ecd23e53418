"""OpenVLA in plain torch."""
