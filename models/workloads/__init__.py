"""The workloads that ship with Fairwind."""
