"""The page for people: the catalog to look at, as a template, static files and the blueprint that serves them."""
