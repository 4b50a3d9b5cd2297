"""gunicorn's worker and the processes around it."""
