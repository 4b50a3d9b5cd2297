"""`flask catalog`: the commands for a terminal."""
