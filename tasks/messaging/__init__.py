"""Queues, broker, bytes in flight, heartbeats: what both sides of a federation share in Redis."""
