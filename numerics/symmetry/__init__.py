"""Symmetry of black boxes: the groups of maps that are known by their values only."""
