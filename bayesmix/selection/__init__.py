"""How many components there are."""
