"""The study: every policy on the same grids, data and seeds, and what each of them cost."""
