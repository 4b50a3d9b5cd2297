"""Tools for agents: the Model Context Protocol."""
