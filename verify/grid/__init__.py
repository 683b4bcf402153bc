"""The atlas: certified bounds and best-known configurations over a grid of (activation, m, n)."""
