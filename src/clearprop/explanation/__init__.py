"""Explanations: every number of a forward and a backward pass, by name, checked to add up."""
