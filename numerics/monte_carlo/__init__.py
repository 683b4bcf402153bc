"""Expected losses by sampling."""
