"""Simulations on any number of hosts: a conductor sends them to Celery workers, which answer."""
