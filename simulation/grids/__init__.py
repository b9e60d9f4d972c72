"""Grids: what really happened to carbon intensities, and what was believed of the hours ahead."""
