"""Toy animals, people, aeroplanes and lorries made of a few solids, each built from a random number generator.

Toys stand on the floor z = 0 around the origin, look towards x, and are at most about 2 long or high.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random

import numpy as np

from disent_datasets.lookalike.kinds import BOX, CAPSULE, FRUSTUM, SPHERE
from disent_datasets.lookalike.scenes import Array, solid
from disent_datasets.lookalike.vehicles import BODY, SIDEWAYS, car_solids, random_car

Point = tuple[float, float, float]

_UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])


def limb(start: Point, end: Point, radius: float) -> Array:
    """A capsule whose ends are balls about two points."""
    a, b = np.array(start), np.array(end)
    half = float(np.linalg.norm(b - a)) / 2
    z = (b - a) / (2 * half)
    x = np.cross(z, (0.0, 1.0, 0.0) if abs(z[1]) < 0.9 else (1.0, 0.0, 0.0))
    x /= np.linalg.norm(x)
    turn = np.stack([x, np.cross(z, x), z], axis=1)
    middle = (a + b) / 2
    return solid(CAPSULE, tuple(middle), (radius, radius, radius), BODY, [half / radius], turn=turn)


def _pitched(angle: float) -> Array:
    """Rotation about y that lifts the nose."""
    return np.array([[math.cos(angle), 0, -math.sin(angle)], [0, 1, 0], [math.sin(angle), 0, math.cos(angle)]])


def animal(chance: Random) -> list[Array]:
    """Four legs, a body, a neck, a head with ears or horns, a tail."""
    leg, long, girth = chance.uniform(0.25, 0.7), chance.uniform(0.45, 0.8), chance.uniform(0.2, 0.34)
    thick, neck = chance.uniform(0.06, 0.11), chance.uniform(0.05, 0.6)
    lift = math.radians(chance.uniform(15, 75))
    back = leg + 0.8 * girth
    shoulder = (0.75 * long, 0.0, back + 0.3 * girth)
    crown = (shoulder[0] + neck * math.cos(lift) + 0.05, 0.0, shoulder[2] + neck * math.sin(lift) + 0.1)
    parts = [solid(SPHERE, (0, 0, back), (long, girth, girth), BODY)]
    for x in (-0.62 * long, 0.62 * long):
        for y in (-0.6 * girth, 0.6 * girth):
            parts.append(limb((x, y, thick), (x, y, back), thick))
    size = chance.uniform(0.13, 0.24)
    parts += [limb(shoulder, crown, 0.5 * size + 0.04), *_head(chance, crown, size)]
    tail, droop = chance.uniform(0.15, 0.6), chance.uniform(-0.9, 0.8)
    root = (-0.92 * long, 0.0, back + 0.2 * girth)
    end = (root[0] - 0.6 * tail, 0.0, max(0.08, root[2] + droop * tail))
    return [*parts, limb(root, end, chance.uniform(0.03, 0.08))]


def _head(chance: Random, crown: Point, size: float) -> Iterator[Array]:
    """An animal's head with a snout and a pair of ears or horns."""
    x, _, z = crown
    muzzle, ear, spread = chance.uniform(0.1, 0.35), chance.uniform(0.08, 0.4), chance.uniform(0.3, 1.1)
    yield solid(SPHERE, crown, (1.15 * size, 0.85 * size, size), BODY)
    snout = (0.5 * muzzle + 0.4 * size, 0.5 * size, 0.45 * size)
    yield solid(SPHERE, (x + size + muzzle * 0.5, 0, z - 0.35 * size), snout, BODY)
    thick = chance.uniform(0.03, 0.07)
    for side in (-1, 1):
        root = (x - 0.3 * size, 0.5 * side * size, z + 0.6 * size)
        yield limb(root, (root[0] - 0.3 * ear, root[1] + side * spread * ear * 0.7, root[2] + ear * 0.8), thick)


def human(chance: Random) -> list[Array]:
    """A figure on a low stand, in some pose, with or without a hat and a stick."""
    hip, chest = chance.uniform(0.62, 0.85), chance.uniform(0.5, 0.62)
    shoulder, waist = chance.uniform(0.24, 0.36), chance.uniform(0.15, 0.26)
    head, thick = chance.uniform(0.15, 0.2), chance.uniform(0.075, 0.12)
    stride, top = chance.uniform(-0.3, 0.3), hip + chest
    torso, narrow = (0.6 * shoulder, shoulder, chest / 2 + 0.06), 1 - waist / shoulder
    parts = [
        solid(FRUSTUM, (0, 0, 0.03), (0.4, 0.4, 0.03), BODY),
        solid(BOX, (0, 0, hip + chest / 2), torso, BODY, [0.1, narrow], turn=_UPSIDE_DOWN),
        limb((0, 0, top), (0.02, 0, top + 0.1), 0.07),
        solid(SPHERE, (0.03, 0, top + 0.1 + head), (head, 0.9 * head, 1.15 * head), BODY),
    ]
    for side in (-1, 1):
        knee, foot = 0.55 * side * waist, (side * stride, 0.6 * side * waist, 0.1)
        parts.append(limb((0, knee, hip), foot, thick))
        parts.append(limb(foot, (foot[0] + 0.14, foot[1], 0.1), 0.8 * thick))
        parts += _arm(chance, (0.0, side * (shoulder + 0.04), top - 0.02), thick)
    if chance.random() < 0.5:
        parts.append(solid(FRUSTUM, (0.03, 0, top + 0.1 + 1.8 * head), (1.4 * head, 1.4 * head, 0.03), BODY))
        parts.append(solid(FRUSTUM, (0.03, 0, top + 0.16 + 2.0 * head), (head, head, 0.12), BODY, [0.2]))
    return parts


def _arm(chance: Random, joint: Point, thick: float) -> Iterator[Array]:
    """An arm, bent at the elbow; one in four holds a stick."""
    swing, bend = chance.uniform(-1.2, 2.6), chance.uniform(0.0, 1.6)
    elbow = (joint[0] + 0.3 * math.sin(swing), 1.2 * joint[1], joint[2] - 0.3 * math.cos(swing))
    x, z = elbow[0] + 0.3 * math.sin(swing + bend), elbow[2] - 0.3 * math.cos(swing + bend)
    yield limb(joint, elbow, 0.8 * thick)
    yield limb(elbow, (x, elbow[1], z), 0.65 * thick)
    if chance.random() < 0.25:
        yield limb((x - 0.15, elbow[1], z - 0.1), (x + chance.uniform(0.15, 0.3), elbow[1], z + 0.2), 0.04)


def aeroplane(chance: Random) -> list[Array]:
    """A body, wings, a tail, and engines or a propeller."""
    long, thick = chance.uniform(0.75, 1.05), chance.uniform(0.11, 0.2)
    span, chord, fin = chance.uniform(0.7, 1.1), chance.uniform(0.16, 0.3), chance.uniform(0.12, 0.22)
    place, height = long * chance.uniform(-0.1, 0.3), chance.uniform(0.3, 0.5)
    wing, tail = height + chance.choice((-0.6, 0.6)) * thick, -0.85 * long
    taper = [chance.uniform(0.2, 0.7), 0.5, -chance.uniform(0.0, 0.9)]
    parts = [
        solid(SPHERE, (0, 0, height), (long, thick, 1.1 * thick), BODY),
        solid(SPHERE, (0.5 * long, 0, height + thick), (0.28 * long, 0.6 * thick, 0.6 * thick), BODY),
        solid(BOX, (tail, 0, height + fin), (0.7 * chord, 0.03, fin), BODY, [0.4, 0.3, -0.8]),
    ]
    engines = chance.randrange(3)
    if engines == 0:
        parts.append(solid(BOX, (long + 0.02, 0, height), (0.02, 0.34, 0.05), BODY))
    for side in (-1, 1):
        # The wing's own z axis runs from the body to the tip.
        outwards = ((1, 0, 0), (0, 0, side), (0, -side, 0))
        large, small = (chord, 0.035, span / 2), (0.6 * chord, 0.03, 0.16 * span)
        parts.append(solid(BOX, (place, side * span / 2, wing), large, BODY, taper, turn=outwards))
        parts.append(solid(BOX, (tail, 0.16 * side * span, height + 0.05), small, BODY, taper, turn=outwards))
        for row in range(engines):
            x, y, z = place + 0.2 * chord, side * span * (0.35 + 0.3 * row), wing - 0.08
            parts.append(limb((x - 0.1, y, z), (x + 0.16, y, z), 0.07))
    for x, y in ((0.55 * long, 0.0), (-0.1, -0.25), (-0.1, 0.25)):
        parts.append(limb((x, y, 0.07), (x, 0.4 * y, height), 0.045))
    return parts


def lorry(chance: Random) -> list[Array]:
    """A cab, wheels, and a box, a tank, a tipper or a ladder behind."""
    wheel, width = chance.uniform(0.14, 0.22), chance.uniform(0.28, 0.36)
    cab, tall, bonnet = chance.uniform(0.2, 0.32), chance.uniform(0.35, 0.55), chance.uniform(0.0, 0.35)
    deck, slant = wheel + 0.12, [chance.uniform(0.05, 0.4), 0.1, -0.2]
    parts = [
        solid(BOX, (0, 0, deck - 0.04), (1.0, 0.8 * width, 0.06), BODY),
        solid(BOX, (1.0 - cab, 0, deck + tall / 2), (cab, width, tall / 2), BODY, slant),
    ]
    if bonnet > 0.12:
        size = (bonnet / 2, 0.85 * width, 0.14)
        parts.append(solid(BOX, (1.0 + bonnet / 2, 0, deck + 0.1), size, BODY, [0.2, 0.1, -0.2]))
    parts += _load(chance, -1.0, 0.94 - 2 * cab, deck, width)
    for axle in (-0.72, 0.72) if chance.random() < 0.5 else (-0.8, -0.36, 0.74):
        for y in (-width, width):
            parts.append(solid(FRUSTUM, (axle, y, wheel), (wheel, wheel, 0.08), BODY, turn=SIDEWAYS))
    return parts


def _load(chance: Random, back: float, front: float, deck: float, width: float) -> list[Array]:
    """What a lorry carries."""
    x, half, size = (back + front) / 2, (front - back) / 2, chance.uniform(0.2, 0.36)
    kind = chance.randrange(4)
    if kind == 0:
        return [solid(BOX, (x, 0, deck + 1.2 * size), (half, 1.08 * width, 1.2 * size), BODY)]
    if kind == 1:
        return [limb((back + size, 0, deck + size), (front - size, 0, deck + size), size)]
    if kind == 2:
        tub, turn = (half, 1.1 * width, 0.8 * size), _pitched(-chance.uniform(0.0, 0.4)) @ _UPSIDE_DOWN
        return [solid(BOX, (x, 0, deck + size + 0.05), tub, BODY, [0.25, 0.2], turn=turn)]
    low, high = deck + 0.38, deck + 0.38 + chance.uniform(0.05, 0.6)
    ladder = [limb((back + 0.1, y, low), (front + 0.3, y, high), 0.04) for y in (-0.12, 0.12)]
    return [solid(BOX, (x, 0, deck + 0.15), (half, width, 0.15), BODY), *ladder]


def car(chance: Random) -> list[Array]:
    """A car, all in one colour."""
    parts = car_solids(random_car(chance))
    for part in parts:
        part[-1] = BODY
    return parts


CATEGORIES: tuple[Callable[[Random], list[Array]], ...] = (animal, human, aeroplane, lorry, car)
"""In the order of SmallNORB's labels: animal, human, airplane, truck, car."""
