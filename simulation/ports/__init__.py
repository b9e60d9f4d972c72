"""The engine's ports under a virtual clock."""
