"""What the events say: clients, runs, rounds and zone readings, folded into one state."""
