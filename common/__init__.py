"""Errors, units, clocks, settings, messages: shared by all. Imports nothing else of ours."""
