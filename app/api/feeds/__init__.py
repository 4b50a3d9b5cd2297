"""What changed and what will end, as JSON, as an Atom feed and as a calendar."""
