"""Keeping the catalog fresh: jobs, refresher, store."""
