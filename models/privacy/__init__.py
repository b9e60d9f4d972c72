"""Differential privacy of records: noise, the training that adds it, and what it adds up to."""
