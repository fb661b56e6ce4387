"""`docs/methods.md` says what the registry says.

``python tests/bench/test_method_pages.py --renew`` writes it anew.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from disent_bench.config.method import build_model, hyperparameters, is_regulariser, training_of, with_base
from disent_bench.objective import all_terms
from disent_bench.registry import BOTTLENECKS, METHODS, TERMS

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
OURS = [name for name in METHODS if METHODS[name].factory.__module__.startswith("disent_bench.")]
HEAD = """# Methods

Each method is a sum of terms; a regulariser is added to any base (`METHOD=factor_vae+topdis`), and alone to the one
that is named with it. Formulas, sources, what is inferred and what differs from published code are said in the words of
the code itself, from which this page is made (`python tests/bench/test_method_pages.py --renew`). A weight that is not
the paper's is called ours. Settings are typed as `--set methods.NAME.KEY=VALUE`; those of single terms as
`--set terms.TERM.KEY=VALUE` (`config.yaml` in a run's folder lists all).
"""


def page() -> str:
    """Return the page."""
    bases = [name for name in OURS if not is_regulariser(name)]
    regularisers = [name for name in OURS if is_regulariser(name)]
    parts = [HEAD, "## Bases\n", *map(section, bases), "## Regularisers\n", *map(section, regularisers), terms()]
    return "\n".join(parts)


def section(name: str) -> str:
    """Return what is said of one method."""
    entry = METHODS[name]
    summary, _, rest = (inspect.getdoc(entry.factory) or "").partition("\n\n")
    lines = [f"### `{name}`\n", plain(summary), "", *([plain(rest), ""] if rest else [])]
    defaults = hyperparameters(name)[0]
    said = ", ".join(f"`{key}` {value}" for key, value in defaults.items()) or "none"
    lines.append(f"* Hyperparameters and defaults: {said}.")
    training = training_of([name])
    if training:
        lines.append("* Trains with " + ", ".join(f"`{key}={value}`" for key, value in training.items()) + ".")
    parts = with_base([name])
    model = build_model({part: {} for part in parts})
    own = [
        term for term in all_terms(model.objective) if not is_regulariser(name) or name_of(term) not in base_of(parts)
    ]
    lines.append("* Terms: " + ", ".join(f"`{term.name}` (weight {weight(term)})" for term in own) + ".")
    if is_regulariser(name):
        lines.append(f"* Alone it stands on `{parts[0]}`.")
    elif model.bottleneck.name != "gaussian":
        lines.append(f"* Bottleneck: `{model.bottleneck.name}`.")
    lines.append(f"* Source: {source(entry.paper)}.\n")
    return "\n".join(lines)


def base_of(parts: list[str]) -> set[str]:
    """Return the names of the terms of the base alone."""
    return {term.name for term in all_terms(build_model({parts[0]: {}}).objective)}


def name_of(term: object) -> str:
    """Return the name of a term."""
    return str(getattr(term, "name", ""))


def weight(term: object) -> str:
    """Return a weight as a configuration writes it."""
    settings = term.weight.settings()  # type: ignore[attr-defined]
    if isinstance(settings, dict):
        return " ".join([settings["kind"], *(f"{k}={v}" for k, v in settings.items() if k != "kind")])
    return f"{settings:g}"


def terms() -> str:
    """Return the table of all terms and bottlenecks."""
    lines = ["## Terms\n", "| term | what it is | source |", "|---|---|---|"]
    ours = [entry for entry in TERMS.entries() if entry.factory.__module__.startswith("disent_bench.")]
    lines += [f"| `{entry.name}` | {plain(entry.summary)} | {source(entry.paper)} |" for entry in ours]
    lines += ["", "## Bottlenecks\n", "| bottleneck | what it is | source |", "|---|---|---|"]
    kept = [entry for entry in BOTTLENECKS.entries() if entry.factory.__module__.startswith("disent_bench.")]
    lines += [f"| `{entry.name}` | {plain(entry.summary)} | {source(entry.paper)} |" for entry in kept]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return a docstring as Markdown in lines of a paragraph each."""
    text = re.sub(r"``(.*?)``", r"`\1`", text, flags=re.S)
    text = re.sub(r"`disent_bench\.[\w.]*?(\w+)`", r"`\1`", text)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\n", text)]
    return "\n\n".join(paragraphs).replace("|", "\\|")


def source(paper: str) -> str:
    """Return a link to a paper."""
    kind, _, number = paper.partition(":")
    address = {"arXiv": "https://arxiv.org/abs/", "openreview": "https://openreview.net/forum?id="}[kind]
    return f"[{paper}]({address}{number})"


def test_the_page_says_what_the_registry_says() -> None:
    assert PAGE.read_text() == page(), "python tests/bench/test_method_pages.py --renew writes it anew"


if __name__ == "__main__" and "--renew" in sys.argv:
    PAGE.write_text(page())
