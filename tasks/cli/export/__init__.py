"""The command `run export`: a run's models, or its figures for other tools."""
