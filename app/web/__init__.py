"""The WSGI layers around the API, and what all requests have in common."""
