"""What a run's events say, as tables and as points of curves for other tools."""
