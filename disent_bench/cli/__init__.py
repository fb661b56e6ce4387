"""The command line: a parser, and one file for each verb."""
