"""The error that says in one line why data cannot be used, and what would work."""


class DataError(ValueError):
    """Data are missing, damaged or cannot be stored; the message is one line for the user."""
