"""What is around the solids of a scene."""

VOID = 0
"""Nothing but the sky."""
GROUND = 1
"""An endless floor."""
ROOM = 2
"""A floor inside four walls, and the sky above them."""
RING = 3
"""A flat ring at floor height, in a void."""

SKY, FLOOR, WALL = 0, 1, 2
"""Palette rows of the scenery; a ring has the walls'."""
