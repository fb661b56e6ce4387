"""From what is typed to everything that a run depends on, and back from a file."""
