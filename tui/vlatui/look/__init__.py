"""How things are painted: tones, themes, canvas, bars, columns, scales."""
