"""Kinds of solids, each in coordinates of its own."""

SPHERE = 0
"""Unit ball."""
BOX = 1
"""|z| <= 1, |y| <= 1 - b (z + 1) / 2, |x - s (z + 1) / 2| <= 1 - a (z + 1) / 2 with parameters a, b, s."""
FRUSTUM = 2
"""|z| <= 1, radius 1 - a (z + 1) / 2 with parameter a: 0 a cylinder, 1 a cone."""
CAPSULE = 3
"""Points within 1 of the segment |z| <= a with parameter a."""
HEXAGON = 4
"""|z| <= 1, over a regular hexagon with corners at distance 1."""
