"""Stored images: written atomically, verified, by one process at a time."""
