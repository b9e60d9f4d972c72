"""The carbon gate: whether a zone may train now, and why."""
