"""Carbon intensities of electricity grids: one source a module, chosen by a setting."""
