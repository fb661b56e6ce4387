"""Train and score a method."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import conclude
from disent_bench.cli.parser import shared

HELP = "train and score a method"
DESCRIPTION = (
    "Train and score a method, seed by seed. A run that is done is skipped, one that was interrupted is resumed, one "
    "that is trained but not scored in this way is scored; Ctrl-C saves the state first."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--method", type=str, required=True, help="a method or a sum such as beta_vae+topdis")
    parser.add_argument("--dataset", type=str, default="dsprites", help="a data set")
    parser.add_argument("--protocol", type=str, default="quick", help="a protocol: how long to train, how to score")
    parser.add_argument("--seeds", type=str, default="0", help="seeds, such as 0-4 or 0,2,7")
    parser.add_argument(
        "--logger",
        action="append",
        metavar="NAME",
        help="where curves go beside metrics.jsonl: tensorboard (the default), csv, wandb or mlflow; may be repeated",
    )
    shared(parser, "--set", "--plugin", "--runs", "--data-dir", "--source", "--device", "--threads")


def main(given: Namespace) -> int:
    """Train and score seed by seed."""
    from disent_bench.config.values import parse_overrides, parse_seeds

    overrides, seeds = parse_overrides(given.set), parse_seeds(given.seeds)
    from disent_bench.config.resolve import resolve
    from disent_bench.plugins import load_plugins
    from disent_bench.runs.loggers import DEFAULT_LOGGERS
    from disent_bench.runs.series import run_seeds

    load_plugins(given.plugin)
    config = resolve(
        given.method,
        given.dataset,
        given.protocol,
        source=given.source,
        overrides=overrides,
        plugins=given.plugin,
        device=given.device,
        data_dir=given.data_dir,
    )
    outcomes = run_seeds(
        config,
        seeds,
        runs=given.runs,
        data_dir=given.data_dir,
        accelerator=given.device,
        loggers=given.logger or DEFAULT_LOGGERS,
        debug=given.debug,
    )
    return conclude({str(outcome.key): outcome for outcome in outcomes})
