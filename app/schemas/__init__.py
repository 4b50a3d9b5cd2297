"""marshmallow: the query and the wire shapes of each dialect."""
