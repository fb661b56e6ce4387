"""SmallNORB [lecun2004]: photographs of toys, from the six official files."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from disent_datasets.errors import DataError
from disent_datasets.factors import FactorSpace
from disent_datasets.grid import FactorGrid
from disent_datasets.nuisance import NuisanceGrid
from disent_datasets.originals.npz import readable
from disent_datasets.registry import register_dataset
from disent_datasets.request import DatasetInfo, Request
from disent_datasets.storage.stored import stored_grid
from disent_datasets.storage.writing import Origin

FULL_SPACE = FactorSpace(("category", "instance", "elevation", "azimuth", "lighting"), (5, 10, 9, 18, 6))
SPACE = FactorSpace(("category", "elevation", "azimuth", "lighting"), (5, 9, 18, 6))
"""What is exposed; which of the ten instances of a category is shown is a nuisance, as in disentanglement_lib."""

PAGE = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
PARTS = ("smallnorb-5x46789x9x18x6x2x96x96-training", "smallnorb-5x01235x9x18x6x2x96x96-testing")
SHA256 = {
    f"{PARTS[0]}-dat.mat.gz": "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
    f"{PARTS[0]}-cat.mat.gz": "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
    f"{PARTS[0]}-info.mat.gz": "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
    f"{PARTS[1]}-dat.mat.gz": "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
    f"{PARTS[1]}-cat.mat.gz": "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
    f"{PARTS[1]}-info.mat.gz": "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
}
SIDE = 96
"""Pixels of an original image each way."""

MAGIC: dict[int, np.dtype[Any]] = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}
"""First word of a file, for bytes and for 32-bit integers; other types do not occur here."""

_STORED = DatasetInfo(
    "smallnorb",
    "SmallNORB",
    FULL_SPACE,
    (64, 64, 1),
    ("official",),
    "research use only, must not be sold",
    "LeCun, Huang, Bottou: Learning methods for generic object recognition with invariance to pose and lighting, "
    "CVPR 2004",
    page=PAGE,
)


@register_dataset(
    "smallnorb",
    title=_STORED.title,
    factors=SPACE,
    shape=_STORED.shape,
    licence=_STORED.licence,
    citation=_STORED.citation,
    sources=_STORED.sources,
    needs_files=("official",),
    page=PAGE,
    nuisance="which of the ten instances of the category is shown",
    stored=_STORED,
)
def _smallnorb(request: Request) -> FactorGrid:
    """All 48,600 left images (both parts), shrunk to 64 x 64; instance is a nuisance."""
    base = stored_grid(request.storage, lambda: official_origin(request.storage), rebuild=False)
    return NuisanceGrid(base, request.info, draw_instance, "instance 1")


def draw_instance(base: FactorGrid, indices: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Images of the exposed factors, each of an instance drawn uniformly."""
    instances, views = base.space.sizes[1], math.prod(base.space.sizes[2:])
    category, view = np.divmod(indices, views)
    instance = generator.integers(instances, size=len(indices))
    return base.images((category * instances + instance) * views + view)


def official_origin(request: Request) -> Origin:
    """The images of the six official files; errors as for `disent_datasets.originals.download.obtain`."""
    from disent_datasets.originals.download import obtain_all
    from disent_datasets.originals.files import RemoteFile

    def alternatives(name: str) -> list[RemoteFile]:
        # disentanglement_lib's script unpacks the files, and nobody has published checksums of those.
        packed = RemoteFile(f"{name}.mat.gz", (f"{PAGE}{name}.mat.gz",), (f"sha256:{SHA256[f'{name}.mat.gz']}",))
        return [packed, RemoteFile(f"{name}.mat", exhaustive=False)]

    needed = [alternatives(f"{part}-{kind}") for part in PARTS for kind in ("dat", "cat", "info")]
    found = obtain_all(request, needed, ["small_norb"])
    paths = [tuple(found[:3]), tuple(found[3:])]
    return Origin(lambda: _blocks(paths, request), "converting official", verified=request.verify)


def _blocks(parts: list[tuple[Path, ...]], request: Request) -> Iterator[NDArray[np.uint8]]:
    """The files are not in factor order (inferred), so everything is read, shrunk (199 MB), and then put in order."""
    space = request.info.space
    images, labels = [], []
    for dat, cat, info in parts:
        labels.append(_labels(cat, info, request))
        images.append(_left_images(dat, len(labels[-1]), request))
    where = _lookup(np.concatenate(labels), space, parts[0][2])
    everything = np.concatenate(images)
    for start in range(0, space.size, 4096):
        yield everything[where[start : start + 4096]]


def _lookup(labels: NDArray[np.int64], space: FactorSpace, path: Path) -> NDArray[np.int64]:
    """Row of the files (N,) of each image number."""
    try:
        index = space.index(labels)
    except ValueError as error:
        raise DataError(f"{path.parent}: the labels of SmallNORB are out of range ({error})") from None
    where = np.argsort(index, kind="stable")
    if not np.array_equal(index[where], np.arange(space.size)):
        raise DataError(f"{path.parent}: the files do not have each of the {space.size:,} combinations exactly once")
    return where


def _labels(cat: Path, info: Path, request: Request) -> NDArray[np.int64]:
    """Category, instance, elevation, azimuth and lighting (n, 5); the file counts azimuth in steps of 10 degrees."""
    category = _read_all(cat, request, 1)
    instance, elevation, azimuth, lighting = _read_all(info, request, 2).T
    if len(category) != len(instance) or (azimuth % 2).any():
        raise DataError(f"{info}: its labels do not fit {cat.name}")
    return np.stack([category, instance, elevation, azimuth // 2, lighting], axis=1)


def _read_all(path: Path, request: Request, dimensions: int) -> NDArray[np.int64]:
    with _opened(path, request) as file:
        dtype, shape = _header(path, file)
        if len(shape) != dimensions or (dimensions == 2 and shape[1] != 4) or dtype.kind != "i":
            raise DataError(f"{path}: need 32-bit integers (n,) or (n, 4), got {dtype} {shape}")
        content = _exactly(path, file, dtype.itemsize * int(np.prod(shape)))
        _end(path, file)
    return np.frombuffer(content, dtype).reshape(shape).astype(np.int64)


def _left_images(path: Path, count: int, request: Request) -> NDArray[np.uint8]:
    """Images (n, 64, 64, 1) of the first camera, shrunk by PIL's Lanczos filter; overshoot is clipped to 0..255."""
    from PIL import Image

    height, width, _ = request.info.shape
    images = np.empty((count, *request.info.shape), np.uint8)
    with _opened(path, request) as file:
        dtype, shape = _header(path, file)
        if dtype != np.uint8 or shape != (count, 2, SIDE, SIDE):
            raise DataError(f"{path}: need bytes {(count, 2, SIDE, SIDE)}, got {dtype} {shape}")
        for image in images:
            left = _exactly(path, file, 2 * SIDE * SIDE)[: SIDE * SIDE]
            picture = Image.frombytes("L", (SIDE, SIDE), left)
            image[..., 0] = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
        _end(path, file)
    return images


def _header(path: Path, file: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Magic number, number of dimensions, at least three sizes; all little-endian 32-bit integers."""
    magic, dimensions = np.frombuffer(_exactly(path, file, 8), "<i4").tolist()
    if magic not in MAGIC or not 1 <= dimensions <= 8:
        raise DataError(f"{path} is no binary matrix of bytes or 32-bit integers (magic number {magic:#x})")
    sizes = np.frombuffer(_exactly(path, file, 4 * max(3, dimensions)), "<i4").tolist()
    return MAGIC[magic], tuple(sizes[:dimensions])


def _exactly(path: Path, file: IO[bytes], count: int) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise DataError(f"{path} ends too early; get it again from {PAGE}")
    return content


def _end(path: Path, file: IO[bytes]) -> None:
    """Reading to the end makes gzip compare its own checksum."""
    if file.read(1):
        raise DataError(f"{path} is longer than its header says; get it again from {PAGE}")


@contextmanager
def _opened(path: Path, request: Request) -> Iterator[IO[bytes]]:
    with readable(path, request.info.title, PAGE), _open(path) as file:
        yield file


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
