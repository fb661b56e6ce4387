"""The page: what it holds, and how it behaves in a browser that has no network."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from disent_bench.leaderboard.charts import dot_chart, line_chart
from disent_bench.leaderboard.details import DETAILED_RUNS, Run
from disent_bench.leaderboard.formats import html
from disent_bench.leaderboard.frame import Leaderboard
from disent_bench.leaderboard.rows import summarise
from disent_bench.leaderboard.tables import tables
from disent_bench.runs.folder import RunFolder, RunKey
from disent_bench.runs.result import Failure, Result, Scoring

EVIL = "<script>window.broken = true</script><img src=x onerror='window.broken = true'>\"'&</template>"
SCORES = ("mig", "dci_disentanglement", "sap", "reconstruction_mse")
METHODS = ("beta_tcvae", "beta_vae", "factor_vae", "gmg", "topdis", "vae")
FAILED = ("gmg", 3)


def save(root: Path, method: str, seed: int, dataset: str = "dsprites", key: str = "3f2a", **changes: Any) -> RunFolder:
    """A finished run with curves and pictures, or a failed one."""
    run = RunFolder(RunKey("quick", dataset, method, key, seed).folder(root))
    run.path.mkdir(parents=True, exist_ok=True)
    parts = [method] if method not in ("topdis", "gmg") else ["beta_tcvae", method]
    config = {"methods": {part: {} for part in parts}, "terms": {part: {"weight": 1.0} for part in parts}}
    identity = ("quick", dataset, "drawn" if dataset == "dsprites" else "rendered", method, key, seed)
    told = (*identity, f"a note {EVIL}", changes, Scoring("quick", 2, "abc", {}, {}))
    if (method, seed) == FAILED:
        Failure(*told, reason=f"loss not finite {EVIL}", config=config).write(run.failure)
        return run
    rng = np.random.default_rng([METHODS.index(method), seed])
    scores = {name: float(rng.uniform(0, 0.5)) for name in SCORES}
    run.metrics.write_text(
        "".join(f'{{"step": {s}, "loss": {90 - s}, "scores/mig": {s / 100}}}\n' for s in (0, 20, 40))
    )
    for name in ("traversals", "reconstructions", "importance"):
        Image.new("L", (40, 20), 10 * seed).save(run.path / f"{name}.png")
    training, environment = {"steps": 40}, {"torch": "2.13.0", "processor": f"a processor {EVIL}"}
    extra = {"config": config, "training": training, "environment": environment}
    Result(*told, scores=scores, errors={}, untrained=dict.fromkeys(SCORES, 0.01), **extra).write(run.result)
    return run


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    """Six methods with five seeds on two data sets, one of them with an evil label."""
    root = tmp_path_factory.mktemp("page") / "runs"
    for dataset in ("dsprites", "shapes3d_lookalike"):
        for method in METHODS:
            for seed in range(5):
                run = save(root, method, seed, dataset)
    run.label.write_text(EVIL)
    return Leaderboard(root)


# Without a browser


class Tags(HTMLParser):
    """All tags with their attributes, which must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_whose_only_scripts_are_its_own(board: Leaderboard) -> None:
    text = board.to_text("html")
    tags = Tags(text).found
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert [tag for tag, _ in tags].count("script") == len(scripts) == 2
    policy = next(found["content"] for tag, found in tags if found.get("http-equiv") == "Content-Security-Policy")
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in str(policy)
    assert "default-src 'none'" in str(policy)
    assert not [found for _, found in tags if any(name.startswith("on") for name in found)]
    sources = [str(found[name]) for _, found in tags for name in ("src", "href") if name in found]
    assert {source.split(":")[0] for source in sources} == {"data", "#main"}
    identifiers = [found["id"] for _, found in tags if "id" in found]
    assert len(identifiers) == len(set(identifiers))


def test_a_page_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    text = Leaderboard(tmp_path).to_text("html")
    assert "disent-bench run --method topdis" in text
    assert "<table" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_of_many_runs_the_representative_ones_are_told_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("vae", "topdis"):
        for seed in range(5):
            save(tmp_path, method, seed)
    board = Leaderboard(tmp_path)
    assert DETAILED_RUNS > 10
    monkeypatch.setattr("disent_bench.leaderboard.details.DETAILED_RUNS", 2)
    text = board.to_text("html")
    assert "2 of 10 runs are told in full" in text
    told = [text.index(f'alt="traversals of {method}, seed {_median_seed(board, method)}:') for method in METHODS[4:]]
    assert len(set(told)) == text.count('alt="traversals of') == 2
    monkeypatch.setattr("disent_bench.leaderboard.details.PICTURE_BYTES", 0)
    assert "alt=" not in board.to_text("html")


def _median_seed(board: Leaderboard, method: str) -> int:
    score = next(row for row in board.rows if row.method == method).scores["mig"]
    return score.seeds[int(np.argsort(score.values)[2])]


def test_a_log_cut_in_the_middle_and_pictures_that_are_missing_do_no_harm(tmp_path: Path) -> None:
    run = save(tmp_path, "vae", 0)
    run.metrics.write_text(run.metrics.read_text() + '{"step": 60, "lo')
    (run.path / "traversals.png").unlink()
    text = Leaderboard(tmp_path).to_text("html")
    assert "reconstructions of vae" in text
    assert "traversals of vae" not in text


def test_dots_stand_where_their_values_are() -> None:
    values = {0: 0.1, 1: 0.2, 2: 0.4}
    chart = dot_chart(
        "MIG", {"vae": summarise(values, "mig", [2]), "topdis": summarise({0: 0.3}, "mig")}, {"(u)": 0.05}
    )
    ticks = np.array([(float(tick.text), tick.at) for tick in chart.x_ticks])
    slope, start = np.polyfit(*ticks.T, 1)
    assert [dot.x for dot in chart.dots] == pytest.approx([start + slope * v for v in (0.1, 0.2, 0.4, 0.3)])
    assert [dot.hollow for dot in chart.dots] == [False, False, True, False]
    assert chart.references[0].at == pytest.approx(start + slope * 0.05)
    mean = chart.means[0]
    assert mean.x == pytest.approx(start + slope * np.mean([*values.values()]))
    assert mean.low < mean.x < mean.high
    assert len({dot.y for dot in chart.dots}) == 2
    assert all(chart.left <= dot.x <= chart.width for dot in chart.dots)


@pytest.mark.parametrize("value", [0.0, 0.3, -2.0, 1e9])
def test_a_chart_of_one_value_has_a_scale(value: float) -> None:
    chart = dot_chart("MIG", {"vae": summarise({0: value}, "loss")}, {})
    assert math.isfinite(chart.dots[0].x)
    assert len(chart.x_ticks) > 1


def test_lines_join_the_points_in_order_and_the_mean_where_all_have_one() -> None:
    runs = [{0: 1.0, 20: 3.0, 10: 2.0}, {0: 3.0, 10: 4.0}]
    chart = line_chart("loss", {"vae": runs, "topdis": [{5: 1.0}]})
    lines = [np.array([point.split(",") for point in path.points.split()], float) for path in chart.paths]
    assert [path.mean for path in chart.paths] == [False, False, True, True]
    assert [len(line) for line in lines] == [3, 2, 2, 1]
    assert all((np.diff(line[:, 0]) > 0).all() for line in lines)
    assert lines[2][:, 1] == pytest.approx((lines[0][:2, 1] + lines[1][:, 1]) / 2, abs=0.1)
    assert len({path.hue for path in chart.paths}) == 2


def test_scores_agree_by_spearmans_correlation_over_finished_runs(board: Leaderboard) -> None:
    section = _section(board)
    assert section.agreement is not None
    headings, matrix, runs = section.agreement
    finished = [record for record in board.records if record.scores and record.dataset == section.row.dataset]
    values = np.array([[record.scores[name] for name in SCORES] for record in finished])
    assert runs == len(values) == len(METHODS) * 5 - 1
    assert headings == ["MIG", "DCI D", "SAP", "MSE ↓"]
    assert np.array(matrix) == pytest.approx(scipy.stats.spearmanr(values).statistic)


def _section(board: Leaderboard) -> html.Section:
    table = tables(board.rows)[0]
    return html.Section("table-1", table, [[] for _ in table.lines])


def test_few_runs_show_no_agreement(tmp_path: Path) -> None:
    for seed in range(5):
        save(tmp_path, "vae", seed)
    assert _section(Leaderboard(tmp_path)).agreement is None


def test_runs_tell_where_they_come_from(board: Leaderboard) -> None:
    record = next(record for record in board.records if record.failure is None)
    run = Run(record, {}, True, {})
    assert run.provenance["torch"] == "2.13.0"
    assert run.provenance["folder"] == record.folder
    assert [chart.title for chart in run.curves] == ["loss", "scores/mig"]
    assert "methods:" in run.configuration


# In a browser

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium here; the CI script installs one"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(board: Leaderboard, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page, on disk."""
    path = tmp_path_factory.mktemp("html") / "leaderboard.html"
    path.write_text(board.to_text("html"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened from disk without a network; what it complains of or asks for fails the test."""
    scheme, width = getattr(request, "param", ("light", 1280))
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda found: said.append(found.url) if not found.url.startswith((address, "data:")) else None)
    opened.goto(address)
    yield opened
    assert opened.evaluate("window.broken") is None
    context.close()
    assert said == []


def expect_methods(page: Any, names: Sequence[str]) -> None:
    """Wait for the table that is shown to have these first cells: it sorts a moment after a click."""
    from playwright.sync_api import expect

    expect(page.locator("table.scores:visible tbody tr th")).to_have_text(list(names))


def by_mean(board: Leaderboard, score: str, *, down: bool) -> list[str]:
    """The methods on dSprites in the order of a score."""
    means = {row.method: row.scores[score].mean for row in board.rows if row.dataset == "dsprites"}
    return sorted(means, key=lambda name: means[name], reverse=down)


@needs_browser
def test_a_click_on_a_heading_sorts_the_best_first(page: Any, board: Leaderboard) -> None:
    expect_methods(page, sorted(METHODS))
    for score, heading, down in (("mig", "MIG", True), ("reconstruction_mse", "MSE ↓", False)):
        header = page.locator("table.scores:visible thead th", has_text=heading)
        header.click()
        expect_methods(page, by_mean(board, score, down=down))
        header.get_by_role("button").press("Enter")
        expect_methods(page, by_mean(board, score, down=not down))
        assert header.get_attribute("aria-sort") == ("ascending" if down else "descending")


@needs_browser
def test_words_filter_rows(page: Any) -> None:
    page.get_by_label("filter").first.fill("beta_")
    expect_methods(page, ["beta_tcvae", "beta_vae"])
    page.get_by_label("filter").first.fill("<script>")
    expect_methods(page, [])
    assert page.get_by_text("no row has these words").is_visible()


@needs_browser
def test_another_data_set_is_chosen_with_the_keyboard(page: Any) -> None:
    assert page.get_by_role("combobox", name="protocol").input_value() == "quick@2"
    chosen = page.get_by_role("combobox", name="data set")
    chosen.focus()
    page.keyboard.press("ArrowDown")
    assert chosen.input_value() == "shapes3d_lookalike (rendered)"
    expect_methods(page, [*sorted(METHODS)[:-1], EVIL])
    assert page.locator("section[data-under]:visible").count() == 1
    assert page.url.endswith("#table-2")
    page.reload()
    expect_methods(page, [*sorted(METHODS)[:-1], EVIL])


@needs_browser
def test_a_row_opens_on_its_runs_and_closes_again(page: Any) -> None:
    button = page.locator("table.scores:visible").get_by_role("button", name="gmg", exact=True)
    button.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.locator("details").count() == 5
    loaded = "images => images.every(image => image.complete && image.naturalWidth === 40)"
    assert dialog.locator("img").count() == 4 * 3
    assert dialog.locator("img").evaluate_all(loaded)
    assert "methods:" in dialog.locator("pre").first.inner_text()
    assert EVIL in dialog.locator("dl").first.inner_text()
    dialog.locator("summary", has_text="seed 3 · failed").click()
    assert dialog.get_by_text(f"loss not finite {EVIL}").is_visible()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")


@needs_browser
@pytest.mark.parametrize("page", [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)], indirect=True)
def test_people_who_see_or_hear_it_otherwise_can_use_it(page: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    assert _serious(Axe().run(page).response) == []
    page.locator("button.behind:visible").first.click()
    assert _serious(Axe().run(page).response) == []
    colours = page.evaluate(
        "[document.body, document.querySelector('dialog')].map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(colours)) == 1


def _serious(response: dict[str, Any]) -> Sequence[str]:
    return [
        f"{found['id']}: {found['nodes'][0]['html']}"
        for found in response["violations"]
        if found["impact"] in ("serious", "critical")
    ]
