"""Benchmarks: speed, measured on real processes, beside something real measured in the same run."""
