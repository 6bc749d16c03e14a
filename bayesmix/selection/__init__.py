"""Choosing among models: how many components, which family, which constraint."""
