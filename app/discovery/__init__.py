"""Asking AWS which models each region has. Empty of imports: the child stays small."""
