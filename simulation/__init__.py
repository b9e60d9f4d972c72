"""The same scheduler and the same learning under a virtual clock and real traces."""
