"""Expected losses by characteristic functions."""
