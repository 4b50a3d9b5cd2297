"""The OpenAI Models API."""
