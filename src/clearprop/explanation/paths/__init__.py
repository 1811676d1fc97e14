"""Paths: every way by which one element moves the loss."""
