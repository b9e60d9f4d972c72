"""Algorithms of local training, one a file."""
