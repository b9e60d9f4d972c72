"""Queues, broker, transport, heartbeats: what coordinator and sites share in Redis."""
