"""Minima of the expected loss and of its sparse limit."""
