"""Bottlenecks stand between the encoder's features and what is decoded and scored: one per file."""

from disent_bench.registry import import_modules

import_modules(__name__)
