"""API-key authentication. Empty of imports: the child that reads keys stays small."""
