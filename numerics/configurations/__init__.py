"""Weights with the largest capacity known."""
