"""Where logged values go: lines of JSON always, and what people look at: TensorBoard, CSV, Weights & Biases, MLflow."""

from __future__ import annotations

import csv
import io
import json
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from disent_bench.config.run import RunConfig
from disent_bench.files import write_atomically
from disent_bench.runs.folder import RunFolder
from disent_bench.text import one_line

LOGGERS: Mapping[str, str | None] = {"tensorboard": None, "csv": None, "wandb": "wandb", "mlflow": "mlflow"}
"""Names of loggers, each with the package that it needs beside those that are always there."""

DEFAULT_LOGGERS = ("tensorboard",)

T = TypeVar("T", bound=type)


class _FileLogger(Logger):
    """A logger whose file lies in a run's folder."""

    name, version = "", ""  # Lightning asks for them

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds them."""


class JsonLinesLogger(_FileLogger):
    """Appends ``{"step": ..., name: value, ...}`` to a file, one line a call.

    A run resumed from a checkpoint writes again what came after ``step``, so such lines are dropped first; and its
    final scores, if it was interrupted between writing them and its result, so a line that is there already is not
    repeated.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        super().__init__()
        self.path = path
        lines = path.read_text().splitlines() if step > 0 and path.exists() else []
        kept = [line for line in lines if (logged := _step(line)) is not None and logged <= step]
        write_atomically(path, "".join(line + "\n" for line in kept))
        self._written = {line for line in kept if _step(line) == step}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one line."""
        line = json.dumps({"step": step, **metrics})
        if line not in self._written:
            with self.path.open("a") as file:
                file.write(line + "\n")

    def rows(self) -> list[dict[str, float]]:
        """Return what was logged so far, one mapping for each step, in the order of steps."""
        merged: dict[int, dict[str, float]] = {}
        for line in self.path.read_text().splitlines():
            values = json.loads(line)
            merged.setdefault(values["step"], {}).update(values)
        return [merged[step] for step in sorted(merged)]


class CsvLogger(_FileLogger):
    """Writes a table when training ends: a row for each step, a column for each value, empty where none was logged.

    Args:
        path: of the table.
        lines: where the values are kept until then.
    """

    def __init__(self, path: Path, lines: JsonLinesLogger) -> None:
        super().__init__()
        self.path, self.lines = path, lines

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Do nothing: the lines hold them."""

    def finalize(self, status: str) -> None:
        """Write the table."""
        rows, text = self.lines.rows(), io.StringIO()
        table = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_atomically(self.path, text.getvalue())


class _Forgiving:
    """Makes a logger that is only looked at cost no run: it says once why it failed, and is left out from then on."""

    say: Callable[[str], None] = print
    broken = False

    def tried(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call what logs; after a failure nothing is called."""
        if self.broken:
            return
        try:
            action(*args, **kwargs)
        except Exception as error:
            self.broken = True
            self.say(f"note: {type(self).__name__} failed and is left out: {one_line(error)[:200]}")

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        self.tried(super().log_metrics, *args, **kwargs)  # type: ignore[misc]

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self.tried(super().log_hyperparams, *args, **kwargs)  # type: ignore[misc]

    def save(self) -> None:
        self.tried(super().save)  # type: ignore[misc]

    def finalize(self, status: str) -> None:
        self.tried(super().finalize, status)  # type: ignore[misc]


def _forgiving(kind: T) -> T:
    return type(kind.__name__, (_Forgiving, kind), {})  # type: ignore[return-value]


def check_loggers(names: Sequence[str]) -> None:
    """Refuse loggers that there are not, before anything is trained.

    Raises:
        ValueError: naming the logger, and what to install.
    """
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"logger is one of {', '.join(LOGGERS)}, not '{name}'")
        if (package := LOGGERS[name]) is not None and find_spec(package) is None:
            raise ValueError(f"logger {name} needs the package {package}: pip install 'disent-bench[{name}]'")


def make_loggers(
    names: Sequence[str], config: RunConfig, seed: int, folder: RunFolder, step: int, say: Callable[[str], None]
) -> list[Logger]:
    """Return the loggers of a run, the one of lines first.

    Weights & Biases and MLflow write to folders beside all runs, and to a server if ``WANDB_MODE=online`` or
    ``MLFLOW_TRACKING_URI`` says so. A logger other than the first never fails a run.

    Args:
        names: some of `LOGGERS`.
        config: of the run.
        seed: of the run.
        folder: of the run.
        step: that the run is resumed at.
        say: takes a line where one fails.
    """
    lines = JsonLinesLogger(folder.metrics, step)
    title, group = run_title(config, seed), f"{config.protocol} {config.dataset}"
    identity = f"{folder.path.parent.name}-{seed}"
    makers: Mapping[str, Callable[[], Logger]] = {
        "tensorboard": lambda: _forgiving(TensorBoardLogger)(
            folder.path,
            name="",
            version="",
            sub_dir=f"tensorboard/{title}",
            purge_step=step + 1 if step else None,
            default_hp_metric=False,
        ),
        "csv": lambda: _forgiving(CsvLogger)(folder.path / "metrics.csv", lines),
        "wandb": lambda: _wandb(_all_runs(folder), name=title, id=identity, group=group),
        "mlflow": lambda: _forgiving(MLFlowLogger)(
            experiment_name=group,
            run_name=title,
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{_all_runs(folder) / 'mlflow.db'}"),
            artifact_location=os.environ.get("MLFLOW_ARTIFACT_ROOT", str(_all_runs(folder) / "mlartifacts")),
            tags={"run": identity},
        ),
    }
    loggers: list[Logger] = [lines]
    for name in dict.fromkeys(names):
        try:
            loggers.append(makers[name]())
        except Exception as error:
            say(f"note: logger {name} failed and is left out: {one_line(error)[:200]}")
    for logger in loggers[1:]:
        logger.say = say  # type: ignore[attr-defined]
        if not isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(flat_settings(config, seed))
    return [lines, *(logger for logger in loggers[1:] if not logger.broken)]  # type: ignore[attr-defined]


def close_loggers(
    loggers: Sequence[Logger], config: RunConfig, seed: int, scores: Mapping[str, float], step: int
) -> None:
    """Log the final scores as a run's summary, with its settings (TensorBoard's HPARAMS), and finish."""
    final = {f"final/{name}": value for name, value in scores.items()}
    for logger in loggers[1:]:
        if isinstance(logger, TensorBoardLogger):  # it takes settings once, together with what they led to
            logger.log_hyperparams(flat_settings(config, seed), final, step=step)
        else:
            logger.log_metrics(final, step=step)
        logger.finalize("success")


def _wandb(folder: Path, **names: Any) -> Logger:
    os.environ.setdefault("WANDB_SILENT", "true")  # else thirty lines at the end of each run
    # A process has one open run there, so another would go on in that of a seed before, finished or failed.
    import_module("wandb").finish()
    return _forgiving(WandbLogger)(
        **names,
        resume="allow",
        save_dir=folder,
        project=os.environ.get("WANDB_PROJECT", "disent-bench"),
        offline=os.environ.get("WANDB_MODE", "offline") == "offline",
    )


def _all_runs(folder: RunFolder) -> Path:
    """The folder that holds the runs of all protocols."""
    return folder.path.resolve().parents[4]


def run_title(config: RunConfig, seed: int) -> str:
    """Return what a run is called where people look: its method, what was set, its seed; fit for a folder's name."""
    words = [
        config.method,
        *(f"{n}={v}" for n, v in config.changes.items() if not n.startswith("scores.")),
        f"seed {seed}",
    ]
    text = " ".join(words)
    return "".join(letter if letter.isalnum() or letter in " +-=._,[]" else "_" for letter in text)[:120]


def flat_settings(config: RunConfig, seed: int) -> dict[str, Any]:
    """Return what a run depends on, one plain value for each name."""
    plain = config.to_dict()
    kept = {name: value for name, value in plain.items() if name not in ("changes", "versions", "plugins", "note")}
    return {**_flat(kept), "seed": seed}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            values |= _flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value if isinstance(value, str | int | float | bool) else str(value)
    return values


def _step(line: str) -> int | None:
    # A process that was killed while it wrote leaves half a line.
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
