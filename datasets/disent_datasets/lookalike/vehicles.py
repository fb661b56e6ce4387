"""Cars and trucks made of a few solids, for the look-alikes of Cars3D and SmallNORB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from disent_datasets.lookalike.kinds import BOX, FRUSTUM
from disent_datasets.lookalike.scenes import Array, solid

BODY, GLASS, TYRE, RIM, LAMP, REAR = 3, 4, 5, 6, 7, 8
"""Palette rows."""

SIDEWAYS = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
"""Turns a solid's own axis to the scene's y axis."""


@dataclass(frozen=True)
class Car:
    """Measures of a car that stands on the floor with its nose towards x.

    Args:
        length: from bumper to bumper; all others are in the same unit.
        width: without mirrors.
        clearance: height of the underside.
        waist: height of the windows' lower edge.
        roof: height.
        cabin: where the cabin begins at the back and ends at the front, -1 is the tail and 1 the nose.
        slant: how much of its length the cabin loses from waist to roof.
        lean: which end loses more: -1 the back, 1 the front.
        nose: how much of its height the bonnet loses towards the nose.
        wheel: radius of the wheels.
        load: height above the waist of a box behind the cabin, 0 for none.
    """

    length: float
    width: float
    clearance: float
    waist: float
    roof: float
    cabin: tuple[float, float]
    slant: float
    lean: float
    nose: float
    wheel: float
    load: float = 0.0


def car_solids(car: Car) -> list[Array]:
    """Solids of a car, centred over the origin."""
    return [*_body(car), *_cabin(car), *_wheels(car), *_lamps(car)]


def _between(low: float, high: float) -> tuple[float, float]:
    """Middle and half length of an interval."""
    return (low + high) / 2, (high - low) / 2


def _body(car: Car) -> Iterator[Array]:
    half, side = car.length / 2, car.width / 2
    sill = car.clearance + 0.5 * (car.waist - car.clearance)
    middle, tall = _between(car.clearance, sill)
    yield solid(BOX, (0, 0, middle), (half, side, tall), BODY)
    # The upper half ends lower at the nose: a shorter box, its front slanted.
    middle, tall = _between(sill, car.waist)
    yield solid(BOX, (0, 0, middle), (half, side, tall), BODY, [0.1 + car.nose / 2, 0.1, -0.06 - car.nose / 2])
    if car.load > 0:
        back, front = -half, half * car.cabin[0]
        x, long = _between(back, front - 0.02)
        z, tall = _between(car.waist, car.waist + car.load)
        yield solid(BOX, (x, 0, z), (long, side, tall), BODY, [0.02, 0.04])


def _cabin(car: Car) -> Iterator[Array]:
    x, long = _between(car.length / 2 * car.cabin[0], car.length / 2 * car.cabin[1])
    z, tall = _between(car.waist, car.roof - 0.03)
    shift = -car.lean * car.slant
    yield solid(BOX, (x, 0, z), (long, 0.94 * car.width / 2, tall), GLASS, [car.slant, 0.22, shift])
    top, across = (1 - car.slant) * long, (1 - 0.2) * 0.94 * car.width / 2
    yield solid(BOX, (x + shift * long, 0, car.roof - 0.025), (top, across, 0.025), BODY, [0.06, 0.1])
    pillar = 0.045 * car.length
    yield solid(BOX, (x, 0, z), (pillar, 0.955 * car.width / 2, tall), BODY, [0.0, 0.22, shift * long / pillar])


def _wheels(car: Car) -> Iterator[Array]:
    for x in (-0.31 * car.length, 0.31 * car.length):
        for y in (-1, 1):
            centre = (x, y * (car.width / 2 - 0.07), car.wheel)
            yield solid(FRUSTUM, centre, (car.wheel, car.wheel, 0.09), TYRE, turn=SIDEWAYS)
            hub = (x, y * (car.width / 2 - 0.06), car.wheel)
            yield solid(FRUSTUM, hub, (0.55 * car.wheel, 0.55 * car.wheel, 0.09), RIM, turn=SIDEWAYS)


def _lamps(car: Car) -> Iterator[Array]:
    height = car.clearance + 0.45 * (car.waist - car.clearance)
    for y in (-0.7, 0.7):
        place = (y * car.width / 2, height)
        yield solid(BOX, (car.length / 2, *place), (0.03, 0.13 * car.width, 0.05), LAMP)
        yield solid(BOX, (-car.length / 2, *place), (0.03, 0.13 * car.width, 0.05), REAR)


def random_car(chance: Random) -> Car:
    """A car of one of seven makes, from flat and fast to a pick-up truck."""
    make = _MAKES[chance.randrange(len(_MAKES))]

    def vary(value: float, by: float = 0.06) -> float:
        return value * (1 + chance.uniform(-by, by))

    clearance, wheel = vary(make.clearance, 0.15), vary(make.wheel, 0.1)
    waist = vary(make.waist)
    return Car(
        length=vary(make.length, 0.08),
        width=vary(make.width),
        clearance=clearance,
        waist=waist,
        roof=waist + vary(make.roof - make.waist, 0.12),
        cabin=(make.cabin[0] + chance.uniform(-0.06, 0.06), make.cabin[1] + chance.uniform(-0.06, 0.06)),
        slant=vary(make.slant, 0.25),
        lean=make.lean + chance.uniform(-0.15, 0.15),
        nose=vary(make.nose, 0.5),
        wheel=wheel,
        load=vary(make.load, 0.3),
    )


_MAKES = (
    Car(2.00, 0.84, 0.12, 0.42, 0.66, (-0.72, 0.38), 0.42, 0.1, 0.10, 0.19),
    Car(1.72, 0.80, 0.13, 0.44, 0.74, (-0.95, 0.42), 0.28, 0.5, 0.10, 0.18),
    Car(2.05, 0.84, 0.12, 0.43, 0.70, (-0.96, 0.36), 0.22, 0.6, 0.10, 0.19),
    Car(1.95, 0.90, 0.18, 0.52, 0.86, (-0.95, 0.40), 0.18, 0.6, 0.06, 0.23),
    Car(2.00, 0.88, 0.15, 0.52, 0.98, (-0.98, 0.72), 0.16, 0.9, 0.04, 0.19),
    Car(1.95, 0.86, 0.09, 0.35, 0.55, (-0.60, 0.30), 0.50, 0.1, 0.16, 0.19),
    Car(2.15, 0.86, 0.18, 0.48, 0.80, (-0.12, 0.42), 0.26, 0.4, 0.06, 0.22, 0.07),
)
"""Saloon, hatchback, estate, off-roader, van, sports car, pick-up."""
