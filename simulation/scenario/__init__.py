"""Scenarios: what is simulated, read from TOML and checked."""
