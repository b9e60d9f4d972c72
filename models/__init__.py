"""What learns: workloads, local training, updates and their exact aggregation. Torch, no Celery."""
