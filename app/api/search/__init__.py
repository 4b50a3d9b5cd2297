"""Model search."""
