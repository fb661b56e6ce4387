"""Verbs of the command line, one per file, called like the file.

Each has a ``HELP`` line, a ``DESCRIPTION``, ``add_arguments(parser)`` and ``main(given) -> exit status``. What takes
time to import is imported in ``main``.
"""
