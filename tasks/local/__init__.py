"""A whole federation on one machine: its Redis, its processes, and no trace of them afterwards."""
