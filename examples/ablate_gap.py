"""What the open choices of the Gromov-Monge gap do, one changed at a time: `python examples/ablate_gap.py --dry-run`.

Every row is a short beta-VAE with the gap; the paper leaves these settings open (docs/decisions.md). At a few hundred
steps and one seed the differences are noise: raise --steps and --seeds before you read anything into them.
"""

import argparse
import shlex
import subprocess
import sys

OPEN_POINTS = {
    "epsilon": ["0.001", "0.1"],
    "epsilon_statistic": ["max", "std"],
    "init": ["identity", "product"],
    "side": ["encoder"],
    "latents": ["mean"],
    "pixels": ["logit"],
    "cost": ["sqeuclidean", "scaled_sqeuclidean"],
    "scale": ["max"],  # only the scaled cost reads it
}


def variants(names: list[str]) -> list[list[str]]:
    """The defaults, then one setting changed at a time."""
    changes: list[list[str]] = [[]]
    for name in names:
        scaled = ["terms.gromov_monge.cost=scaled_sqeuclidean"] if name == "scale" else []
        changes += [[*scaled, f"terms.gromov_monge.{name}={value}"] for value in OPEN_POINTS[name]]
    return changes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=OPEN_POINTS, default=list(OPEN_POINTS), help="open points to vary")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", default="0", help="such as 0-2")
    parser.add_argument("--dataset", default="dsprites")
    parser.add_argument("--runs", default="runs/ablate_gap")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and stop")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every run")
    given = parser.parse_args()
    program = [sys.executable, "-m", "disent_bench"]
    common = ["--dataset", given.dataset, "--seeds", given.seeds, "--runs", given.runs]
    for changes in variants(given.only):
        settings = [f"steps={given.steps}", "evaluate_every=0", *given.set, *changes]
        command = [*program, "run", "--method", "beta_vae+gmg", *common, "--set", *settings]
        print(shlex.join(["disent-bench", *command[3:]]), flush=True)
        if not given.dry_run and subprocess.run(command).returncode:
            return 1
    return 0 if given.dry_run else subprocess.run([*program, "leaderboard", "--runs", given.runs]).returncode


if __name__ == "__main__":
    sys.exit(main())
