"""Phases of small models: theory beside the minimiser, sets of optimal phases, three features, orders of changes."""
