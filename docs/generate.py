"""Pages that the registries write: a page for each method, score, data set, network, protocol and verb, and references.

mkdocs calls `on_files` and `on_page_markdown`; ``python docs/generate.py`` writes `docs/methods.md` anew, which is kept
in the repository for readers without the site.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

import disent_datasets
import disent_metrics
import torch
import yaml
from disent_datasets.registry import REGISTERED
from disent_metrics.registry import INPUTS, Score

from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.cli.parser import build_parser, verb_names
from disent_bench.cli.registered import registered
from disent_bench.config.method import build_model, hyperparameters, is_regulariser, training_of, with_base
from disent_bench.config.protocols import load_protocol, protocol_folder, protocol_names
from disent_bench.objective import all_terms
from disent_bench.registry import BOTTLENECKS, METHODS, NETWORKS, TERMS, Entry, Registry

HERE = Path(__file__).parent
BIBLIOGRAPHY: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "bibliography.yaml").read_text(encoding="utf-8"))
ADDRESS = {"arXiv": "https://arxiv.org/abs/", "openreview": "https://openreview.net/forum?id="}
CITED = re.compile(r"arXiv:\d{4}\.\d{4,5}|openreview:[\w-]+|\[([a-z]+\d{4})\]")

HEAD = """# Methods

Each method is a sum of terms; a regulariser is added to any base (`METHOD=factor_vae+topdis`), and alone to the one
that is named with it. Formulas, sources, what is inferred and what differs from published code are said in the words of
the code itself, from which this page is made (`python docs/generate.py`). A weight that is not
the paper's is called ours. Settings are typed as `--set methods.NAME.KEY=VALUE`; those of single terms as
`--set terms.TERM.KEY=VALUE` (`config.yaml` in a run's folder lists all).
"""


def ours(registry: Registry) -> list[Entry]:
    """Return what this package registers."""
    registered()
    return [entry for entry in registry.entries() if entry.factory.__module__.startswith("disent_bench.")]


def methods_page() -> str:
    """Return `docs/methods.md`."""
    names = [entry.name for entry in ours(METHODS)]
    bases = [method(name) for name in names if not is_regulariser(name)]
    regularisers = [method(name) for name in names if is_regulariser(name)]
    return "\n".join([HEAD, "## Bases\n", *bases, "## Regularisers\n", *regularisers, terms()])


def method(name: str) -> str:
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
    base = {term.name for term in all_terms(build_model({parts[0]: {}}).objective)}
    own = [term for term in all_terms(model.objective) if not is_regulariser(name) or term.name not in base]
    lines.append("* Terms: " + ", ".join(f"`{term.name}` (weight {weight(term)})" for term in own) + ".")
    if is_regulariser(name):
        lines.append(f"* Alone it stands on `{parts[0]}`.")
    elif model.bottleneck.name != Gaussian.name:
        lines.append(f"* Bottleneck: `{model.bottleneck.name}`.")
    lines.append(f"* Source: {source(entry.paper)}.\n")
    return "\n".join(lines)


def weight(term: Any) -> str:
    """Return a weight as a configuration writes it."""
    settings = term.weight.settings()
    if isinstance(settings, dict):
        return " ".join([settings["kind"], *(f"{k}={v}" for k, v in settings.items() if k != "kind")])
    return f"{settings:g}"


def terms() -> str:
    """Return the tables of all terms and bottlenecks."""
    parts = []
    for title, registry in (("Terms", TERMS), ("Bottlenecks", BOTTLENECKS)):
        rows = [f"| `{each.name}` | {plain(each.summary)} | {source(each.paper)} |" for each in ours(registry)]
        parts += [f"## {title}\n", f"| {title.lower()[:-1]} | what it is | source |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def plain(text: str) -> str:
    """Return a docstring as Markdown in lines of a paragraph each."""
    text = re.sub(r"``(.*?)``", r"`\1`", text, flags=re.S)
    text = re.sub(r"`disent_bench\.[\w.]*?(\w+)`", r"`\1`", text)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\n", text)]
    return "\n\n".join(paragraphs).replace("|", "\\|")


def source(paper: str) -> str:
    """Return a link to a paper."""
    return f"[{paper}]({address(paper)})"


def address(paper: str) -> str:
    """Return the web address of a paper."""
    kind, _, number = paper.partition(":")
    return str(BIBLIOGRAPHY[paper].get("url") or f"{ADDRESS[kind]}{number}")


def references() -> str:
    """Return the page of all references."""
    lines = ["# References", "", "What code, tables and pages cite.", ""]
    for key, each in sorted(BIBLIOGRAPHY.items(), key=lambda item: (item[1]["authors"].split(",")[0], item[1]["year"])):
        place = f"{each['venue']} {each['year']}"
        lines.append(
            f'* <a id="{anchor(key)}"></a>{each["authors"]}: *{each["title"]}*. {place}. [{key}]({address(key)})'
        )
    return "\n".join(lines) + "\n"


def anchor(key: str) -> str:
    """Return the name of a reference on its page."""
    return re.sub(r"\W", "-", key)


def cited(text: str) -> str:
    """Return the references that a text cites, as a list below a heading; empty if it cites none."""
    keys = {match[1] or match[0] for match in CITED.finditer(text)}
    entries = [
        f"* {BIBLIOGRAPHY[k]['authors']}: [{BIBLIOGRAPHY[k]['title']}](../references.md#{anchor(k)})"
        for k in sorted(keys)
    ]
    return "\n".join(["", "## References", "", *entries, ""]) if keys else ""


def docstring(thing: Any) -> str:
    """Return a docstring as Markdown: sections of arguments as lists, formulas and examples as they are."""
    text = inspect.getdoc(thing) or ""
    text = re.sub(r":math:`(.*?)`", r"$\1$", text, flags=re.S)
    text = re.sub(r"``(.*?)``", r"`\1`", text, flags=re.S)
    text = re.sub(r"^\.\. math:: (.*(?:\n {4,}\S.*)*)", lambda m: f"$${' '.join(m[1].split())}$$", text, flags=re.M)
    text = re.sub(r"^(>>> (?:.*\S.*\n)+)", r"```pycon\n\1```\n", text + "\n", flags=re.M)
    lines, section = [], False
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises):", line):
            lines += [f"**{line[:-1]}**", ""]
            section = True
        elif section and line.startswith("    ") and not line.startswith("     "):
            lines.append("* " + re.sub(r"^(\*{0,2}\w+): ", r"`\1`: ", line.strip()))
        elif section and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            section = section and not line
            lines.append(line)
    return "\n".join(lines)


def page_of_method(name: str) -> str:
    """Return the page of one method."""
    text = method(name).replace(f"### `{name}`", f"# `{name}`")
    if is_regulariser(name):
        text += f"\nA regulariser: it is added to any base, as in `METHOD=beta_vae+{name}`.\n"
    command = f"```sh\ndisent-bench run --method {name} --dataset dsprites\n```\n"
    return "\n".join([text, command, cited(text), "## Code\n", f"::: {METHODS[name].factory.__module__}", ""])


def page_of_score(name: str) -> str:
    """Return the page of one score."""
    score = disent_metrics.get_score(name)
    better = {True: "higher", False: "lower", None: "neither"}
    keys = [
        f"| `{key}` | {better[each.higher_is_better]} | {each.low:g} to {each.high:g} |"
        for key, each in score.keys.items()
    ]
    lines = [f"# `{name}`", "", f"{score.title}: rewards that {score.rewards}.", ""]
    lines += ["| number | better | range |", "|---|---|---|", *keys, ""]
    lines += [f"* Source: {score.source}.", f"* Version {score.version}; at least {score.min_samples} samples."]
    lines += [f"* Takes `{each}`: {plain(INPUTS[each])}." for each in score.inputs]
    lines += [
        "* Asks what single code dimensions do: codes in groups are scored by group."
        if score.by_dimension
        else "* Does not depend on how code dimensions are grouped."
    ]
    lines += ["", "```sh", f"disent-bench evaluate --codes codes.npy --factors factors.npy --scores {name}", "```", ""]
    text = docstring(score.function)
    return "\n".join([*lines, "## Definition\n", text, "", cited(score.source + text), ""])


def page_of_dataset(name: str) -> str:
    """Return the page of one data set."""
    info = disent_datasets.info(name)
    height, width, channels = info.shape
    kind, space = "grey" if channels == 1 else "RGB", info.space
    rows = [
        f"| {factor} | {size} |{' values that may look alike' if factor in info.ambiguous else ''} |"
        for factor, size in zip(space.names, space.sizes, strict=True)
    ]
    sources = f"* Sources: {', '.join(info.sources)}"
    if info.needs_files:
        sources += f" ({', '.join(info.needs_files)}: needs files from {info.page})"
    lines = [f"# `{name}`", "", f"{info.title}: {space.size:,} images of {height} x {width}, {kind}.", ""]
    lines += ["| factor | values | |", "|---|--:|---|", *rows, "", f"{sources}."]
    lines += [f"* Stored: {info.nbytes / 1e6:,.0f} MB."] if set(info.sources) - set(info.on_demand) else []
    lines += [f"* Sampled anew for each batch: {info.nuisance}."] if info.nuisance else []
    lines += [f"* Licence: {info.licence}.", f"* Cite: {info.citation}."]
    lines += [f"* SHA-256 of all images ({source}): `{digest}`." for source, digest in info.fingerprints.items()]
    lines += ["", "```sh", f"disent-bench data prepare {name}", "```", ""]
    return "\n".join([*lines, "[What is known of each set, and how it is made](../datasets.md)", ""])


def page_of_network(name: str) -> str:
    """Return the page of one network."""
    entry = NETWORKS[name]
    text = docstring(entry.factory)
    lines = [f"# `{name}`", "", plain(entry.summary), "", f"* Source: {source(entry.paper)}."]
    lines += [f"* Images: {', '.join(f'{side} x {side}' for side in sides(name))}."]
    lines += [f"* Parameters with 10 latents: {parameters(name)}."]
    lines += ["", "```sh", f"disent-bench run --method beta_vae --dataset dsprites --set network={name}", "```", ""]
    return "\n".join([*lines, *(["## Definition\n", text, ""] if text else []), cited(entry.paper), ""])


def sides(name: str) -> list[int]:
    """Return the heights of images that a network takes."""
    found = []
    for side in (32, 64, 128, 256):
        try:
            NETWORKS[name].factory((1, side, side), 10, 20)
        except ValueError:
            continue
        found.append(side)
    return found


def parameters(name: str) -> str:
    """Return how many parameters a network has, for grey and RGB images."""
    side = sides(name)[0]
    counts = []
    for channels, kind in ((1, "grey"), (3, "RGB")):
        parts: Iterable[torch.nn.Module] = NETWORKS[name].factory((channels, side, side), 10, 20)
        counts.append(f"{sum(p.numel() for part in parts for p in part.parameters()):,} ({kind})")
    return ", ".join(counts)


def page_of_protocol(name: str) -> str:
    """Return the page of one protocol."""
    protocol = load_protocol(name)
    file = (protocol_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    scores = ", ".join(f"[`{each}`](../scores/{each}.md)" for each in protocol.scores["scores"])
    lines = [f"# `{name}`", "", protocol.title, "", f"> {protocol.note}", "", f"Scores: {scores}.", ""]
    lines += ["```sh", f"disent-bench run --method topdis --dataset dsprites --protocol {name}", "```", ""]
    return "\n".join([*lines, "## The file", "", "```yaml", file.rstrip(), "```", ""])


def page_of_verb(name: str) -> str:
    """Return the page of one verb of the command line."""
    verbs: Any = next(action.choices for action in build_parser()._actions if action.dest == "verb")
    return f"# `disent-bench {name}`\n\n```text\n{verbs[name].format_help().rstrip()}\n```\n"


def index(title: str, words: str, folder: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a page with a line for each of a folder's pages."""
    lines = [f"| [`{name}`]({name}.md) | {plain(said)} |" for name, said in rows]
    return "\n".join([f"# {title}", "", words, "", f"| {folder} | |", "|---|---|", *lines, ""])


@cache
def pages() -> Mapping[str, str]:
    """Return every generated page by its path."""
    found = {"references.md": references(), "extending.md": extending()}
    kinds: list[tuple[str, str, str, Any, list[tuple[str, str]]]] = [
        (
            "methods",
            "Methods",
            "Each is a sum of terms; [all on one page](../methods.md) with terms and bottlenecks.",
            page_of_method,
            [(entry.name, entry.summary) for entry in ours(METHODS)],
        ),
        (
            "scores",
            "Scores",
            "[What each rewards, and which to take](../metrics.md).",
            page_of_score,
            [(score.name, f"{score.title}: {score.rewards}") for score in our_scores()],
        ),
        (
            "data",
            "Data sets",
            "[What each is, how it is made and checked](../datasets.md).",
            page_of_dataset,
            [(name, disent_datasets.info(name).title) for name in shipped_sets()],
        ),
        (
            "networks",
            "Networks",
            "`--set network=NAME` chooses one; own images of another size are trained at the nearest.",
            page_of_network,
            [(entry.name, entry.summary) for entry in ours(NETWORKS)],
        ),
        (
            "protocols",
            "Protocols",
            "How long to train, with what, and how to score; numbers of two protocols do not compare.",
            page_of_protocol,
            [(name, load_protocol(name).title) for name in protocol_names()],
        ),
        (
            "verbs",
            "Command line",
            "`disent-bench VERB`; exit status 0 done, 1 some runs failed, 2 bad input, 130 interrupted.",
            page_of_verb,
            [(name, import_module(f"disent_bench.cli.verbs.{name}").HELP) for name in verb_names()],
        ),
    ]
    for folder, title, words, write, rows in kinds:
        found[f"{folder}/index.md"] = index(title, words, folder[:-1] if folder.endswith("s") else folder, rows)
        found |= {f"{folder}/{name}.md": write(name) for name, _ in rows}
    return found


def our_scores() -> list[Score]:
    """Return the scores that come with the package."""
    return [s for s in disent_metrics.scores().values() if s.function.__module__.startswith("disent_metrics.")]


def shipped_sets() -> list[str]:
    """Return the data sets that come with the package."""
    disent_datasets.names()
    return sorted(n for n, entry in REGISTERED.items() if entry.factory.__module__.startswith("disent_datasets."))


def extending() -> str:
    """Return CONTRIBUTING.md as a page."""
    text = (HERE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.sub(r"\]\(docs/", "](", text).replace("# Contributing", "# Extending and contributing")


def on_config(config: Any) -> Any:
    """Show the generated pages in the navigation, below the index of their kind."""
    found = sorted(path for path in pages() if "/" in path and not path.endswith("/index.md"))
    for section in config.nav:
        for entries in section.values():
            for place in [each for each in entries if isinstance(each, str) and each.endswith("/index.md")]:
                folder = place.removesuffix("index.md")
                entries += [{Path(path).stem: path} for path in found if path.startswith(folder)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Give mkdocs the generated pages."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links to files of the repository that are no pages stand as plain names."""
    if "/" in page.file.src_uri:
        return markdown
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Turn formulas into MathML, which browsers show without a script from elsewhere."""
    return re.sub(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', _formula, html, flags=re.S)


def _formula(found: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    return convert(unescape(found[2]), display="block" if found[1] == "div" else "inline")


if __name__ == "__main__":
    (HERE / "methods.md").write_text(methods_page(), encoding="utf-8")
