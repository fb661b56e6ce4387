"""Errors that say in one line why data cannot be used, and what would work."""


class DataError(ValueError):
    """Data are missing, damaged or cannot be stored; the message is one line for the user."""


class MissingError(DataError):
    """Nothing has been stored yet."""


class DamagedError(DataError):
    """What is stored is not what was written, or not what this version would write."""
