"""Show, make or check data sets."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from disent_bench.cli.endings import DONE
from disent_bench.cli.parser import shared

HELP = "show, make or check data sets"
DESCRIPTION = (
    "Show, make or check data sets, or import images and factors of your own: `data import NAME --file x.npz`. Drawn "
    "sets need no download; the same command resumes an interrupted download."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("action", choices=["list", "prepare", "verify", "import"])
    parser.add_argument("name", type=str, nargs="?", help="a data set")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="prepare: an original file that you have, instead of a download (once for each file of the set); it is "
        "compared with its checksum, read where it lies and not changed. import: an .npz or .h5 file with arrays "
        "images and factors, or a folder of pictures with a factors.csv that names each in its column file",
    )
    own = "import: a CSV file with a column for each factor, if they are not with the images"
    parser.add_argument("--factors", type=Path, metavar="CSV", help=own)
    own = "import: the columns to take, or what those of an array are called"
    parser.add_argument("--factor-names", type=str, metavar="A,B", help=own)
    own = "import: cut a factor into so many intervals of equal width; may be repeated"
    parser.add_argument("--bins", action="append", default=[], metavar="FACTOR=N", help=own)
    for name in ("title", "licence", "citation"):
        parser.add_argument(f"--{name}", type=str, metavar="TEXT", help=f"import: {name} of the data set")
    shared(parser, "--data-dir", "--source", "--plugin")


def main(given: Namespace) -> int:
    """Show, make or check data sets."""
    from disent_bench.cli import data_sets
    from disent_bench.plugins import load_plugins

    load_plugins(given.plugin)
    if given.file and given.action not in ("prepare", "import"):
        raise ValueError(f"--file goes with data prepare and data import, not with data {given.action}")
    own = {name: getattr(given, name) for name in ("factors", "factor_names", "bins", "title", "licence", "citation")}
    typed = [name for name, value in own.items() if value]
    if typed and given.action != "import":
        raise ValueError(f"--{typed[0].replace('_', '-')} goes with data import, not with data {given.action}")
    if given.action == "list":
        print(data_sets.listing(given.data_dir))
        return DONE
    if given.name is None:
        known = "one that you choose" if given.action == "import" else ", ".join(data_sets.names(given.data_dir))
        raise ValueError(f"data {given.action} takes the name of a data set: {known}")
    if given.action == "import":
        if len(given.file) != 1:
            raise ValueError("data import takes one --file: an .npz or .h5 file, or a folder of pictures")
        options = {name: own[name] or "" for name in ("title", "licence", "citation")}
        columns = [each.strip() for each in (given.factor_names or "").split(",") if each.strip()]
        options |= {"factors": given.factors, "factor_names": columns, "bins": given.bins}
        print(data_sets.import_own(given.name, given.file[0], data_dir=given.data_dir, **options))
        return DONE
    if given.action == "prepare":
        print(data_sets.prepare(given.name, given.data_dir, given.source, files=given.file))
    else:
        print(data_sets.verify(given.name, given.data_dir, given.source))
    return DONE
