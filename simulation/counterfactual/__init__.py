"""What other policies would have emitted in a run that was."""
