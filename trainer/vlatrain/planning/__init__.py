"""What a run will need of a card and how long it will take, from formulae alone. Loads no torch."""
