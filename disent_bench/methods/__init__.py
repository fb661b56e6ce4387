"""Recipes, one per file: a base method is an objective, a regulariser is a list of terms that fits any base."""

from disent_bench.registry import import_modules

import_modules(__name__)
