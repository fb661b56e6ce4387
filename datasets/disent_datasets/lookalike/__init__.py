"""Look-alikes of Shapes3D, MPI3D, SmallNORB and Cars3D, rendered by a small ray caster."""

from __future__ import annotations

from disent_datasets.lookalike.cars3d import CARS3D
from disent_datasets.lookalike.mpi3d import MPI3D
from disent_datasets.lookalike.registration import LOOK_ALIKES, RENDERED, STORED, register, render
from disent_datasets.lookalike.shapes3d import SHAPES3D
from disent_datasets.lookalike.smallnorb import SMALLNORB

__all__ = ["LOOK_ALIKES", "RENDERED", "STORED", "render"]

_ORIGINALS = (
    (SHAPES3D, "Shapes3D", "Burgess, Kim: 3D shapes dataset, 2018"),
    (
        MPI3D,
        "MPI3D toy",
        "Gondal et al.: On the transfer of inductive bias from simulation to the real world, NeurIPS 2019",
    ),
    (SMALLNORB, "SmallNORB", "LeCun, Huang, Bottou: Learning methods for generic object recognition, CVPR 2004"),
    (CARS3D, "Cars3D", "Reed, Zhang, Zhang, Lee: Deep visual analogy-making, NIPS 2015"),
)
for _look_alike, _title, _original in _ORIGINALS:
    # Storing all of MPI3D would take minutes and 12.7 GB before the first step.
    register(_look_alike, _title, _original, (RENDERED, STORED) if _look_alike is MPI3D else (STORED, RENDERED))
