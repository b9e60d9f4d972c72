"""What is read from the wire before Celery sees it: bounded, plain, and only what is ours."""
