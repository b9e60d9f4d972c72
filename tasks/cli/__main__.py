"""Lets ``python -m tasks.cli`` do what ``fairwind`` does."""

from tasks.cli import main

main()
