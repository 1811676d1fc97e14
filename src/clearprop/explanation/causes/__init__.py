"""Causes: what made the first NaN or infinity."""
