"""What the verbs of a command line share: loading, output, tables."""
