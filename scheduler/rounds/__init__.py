"""The engine: what a run does next, step by step, written once for all worlds."""
