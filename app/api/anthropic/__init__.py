"""The Anthropic Models API."""
