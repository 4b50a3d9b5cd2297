"""The API: queries of a catalog view, and one folder a dialect."""
