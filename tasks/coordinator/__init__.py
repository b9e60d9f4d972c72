"""What runs at the coordinator: its tasks, and the ports through which they drive the engine."""
