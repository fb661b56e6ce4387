"""What the command line does, for notebooks: train, score, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import disent_datasets
import numpy as np
import torch
from disent_metrics.suite import SuiteResult, evaluate
from torch import Tensor

from disent_bench.config.protocols import named_scores
from disent_bench.config.resolve import resolve
from disent_bench.config.values import parse_seeds
from disent_bench.plugins import load_plugins
from disent_bench.runs.callbacks.checkpoint import undisturbed
from disent_bench.runs.callbacks.evaluate import score_module
from disent_bench.runs.loggers import DEFAULT_LOGGERS
from disent_bench.runs.series import run_seeds
from disent_bench.runs.train import Outcome

Encoder = Callable[[Tensor], Any]


def run(
    method: str,
    dataset: str = "dsprites",
    *,
    protocol: str = "quick",
    seeds: int | str | Iterable[int] = 0,
    set: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    source: str | None = None,
    plugins: Sequence[str | Path] = (),
    device: str = "auto",
    loggers: Sequence[str] = DEFAULT_LOGGERS,
    debug: bool = False,
) -> list[Outcome]:
    """Train and score a method, seed by seed, in the folders and under the keys of ``disent-bench run``.

    A run that is done is skipped, one that was interrupted is resumed.

    Args:
        method: a method, or a sum such as ``"beta_vae+topdis"``.
        dataset: a data set.
        protocol: how long to train, how to score.
        seeds: one, several, or text such as ``"0-4"``.
        set: changed settings by name, such as ``{"steps": 1000, "methods.topdis.gamma": 3.0}``.
        runs: folder of runs.
        data_dir: data folder, as for `disent_datasets.load`.
        source: of the data set; its first if None.
        plugins: files or modules to load before names are looked up.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        loggers: where curves go beside ``metrics.jsonl``.
        debug: raise what makes a run fail.

    Returns:
        How each run ended: its ``status`` (done, skipped, failed, interrupted, or busy if another process has it),
        ``folder`` and, if it did not end well, ``reason``.

    Raises:
        DataError: if the data set is missing or damaged.
        ValueError: if a name or a setting is unknown or has no meaning.
    """
    load_plugins(plugins)
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in (set or {}).items()}
    config = resolve(
        method, dataset, protocol, source=source, overrides=given, plugins=plugins, device=device, data_dir=data_dir
    )
    wanted = parse_seeds(str(seeds) if isinstance(seeds, int | str) else ",".join(map(str, seeds)), "seeds")
    folder = None if data_dir is None else Path(data_dir)
    return run_seeds(config, wanted, runs=runs, data_dir=folder, accelerator=device, loggers=loggers, debug=debug)


def score(
    encoder: Encoder | Any,
    dataset: str,
    *,
    protocol: str = "locatello2019",
    set: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
    source: str | None = None,
    image_size: int | None = None,
) -> SuiteResult:
    """Score an encoder, or the codes of a whole data set.

    Args:
        encoder: a function, module or object with ``encode``, from images ``(b, c, h, w)`` in [0, 1] to codes
            ``(b, d)``, on the device of its parameters and in evaluation mode meanwhile; or the codes of all images in
            the data set's order, ``(len(grid), d)``. One with ``decode`` as well is scored on its decodings too.
        dataset: a data set.
        protocol: of the scores.
        set: changed settings of the scores, such as ``{"scores": ["mig", "dci"], "num_train": 5000}``.
        data_dir: data folder, as for `disent_datasets.load`.
        source: of the data set; its first if None.
        image_size: height and width that the encoder wants, as for `disent_datasets.load`.

    Returns:
        ``scores`` by name, ``errors`` with a reason for each that could not be computed, ``seconds``, ``notes``.

    Raises:
        DataError: if the data set is missing or damaged.
        ValueError: if a name or a setting is unknown, or codes do not fit the data set.
    """
    chosen = named_scores(protocol, set or {})
    grid = disent_datasets.load(dataset, data_dir=data_dir, source=source, image_size=image_size)
    if callable(encoder) or hasattr(encoder, "encode"):
        result: SuiteResult = undisturbed(score_module)(_Encoding(encoder), grid, chosen)
        return result
    codes = np.asarray(encoder.detach().cpu() if isinstance(encoder, Tensor) else encoder)
    if codes.ndim != 2 or len(codes) != len(grid):
        raise ValueError(
            f"codes have shape {codes.shape}; {dataset} needs ({len(grid)}, d), a row for each image in its order (for "
            "codes of some images, disent_metrics.evaluate_codes)"
        )
    if grid.present is not None:
        raise ValueError(f"{dataset} has no image of some combinations; score its codes with evaluate_codes")
    return evaluate(lambda factors: codes[grid.index(factors)], grid.space.sizes, chosen, memoize=False)


class _Encoding:
    """Anything that encodes, as what scoring takes: ``encode``, ``device`` and, if it decodes, ``decode``."""

    def __init__(self, encoder: Any) -> None:
        self.module = encoder if isinstance(encoder, torch.nn.Module) else None
        self.encoder = getattr(encoder, "encode", encoder)
        self.device = torch.device("cpu")
        if self.module is not None:
            self.device = next((p.device for p in self.module.parameters()), self.device)
        if hasattr(encoder, "decode") and getattr(encoder, "decoder", ...) is not None:
            self.decode = encoder.decode

    def encode(self, images: Tensor) -> Tensor:
        """Return codes ``(b, d)``."""
        if self.module is None:
            return torch.as_tensor(self.encoder(images))
        training = self.module.training
        self.module.eval()
        try:
            return torch.as_tensor(self.encoder(images))
        finally:
            self.module.train(training)
