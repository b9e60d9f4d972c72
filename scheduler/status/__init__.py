"""What a terminal or a page shows of the federation."""
