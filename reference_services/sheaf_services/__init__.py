"""Sheaf."""
