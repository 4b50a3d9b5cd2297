"""The API described: OpenAPI and its pages."""
