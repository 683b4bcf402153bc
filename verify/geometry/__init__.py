"""The geometry of learned or constructed weights: how features share the hidden dimensions."""
