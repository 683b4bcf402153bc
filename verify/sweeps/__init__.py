"""Grids of trained models: described, computed in units that survive a kill, collected as one labelled dataset."""
