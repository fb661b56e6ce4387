"""Recipes: a base method is an objective, a regulariser is a list of terms that fits any base."""

from disent_bench.methods import autoencoders, geometry, topdis

__all__ = ["autoencoders", "geometry", "topdis"]
