"""Bad input of every kind: exit 2 and one short line on stderr that names what is wrong, nothing else, nothing done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import disent_datasets.registry
import pytest

from disent_bench import registry
from disent_bench.cli.main import main
from disent_bench.cli.registered import registered

registered()  # so that the fixture below keeps what is ours
Refuse = Callable[..., None]


@pytest.fixture(autouse=True, scope="module")
def _drawn(data_dir: Path) -> None:
    disent_datasets.prepare("toy_grid", data_dir=data_dir)


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISENT_DATA", str(data_dir))
    entries = [each._entries for each in (registry.METHODS, registry.TERMS, registry.NETWORKS)]
    kept = [mock.patch.dict(each) for each in (*entries, disent_datasets.registry.REGISTERED)]
    for each in kept:
        each.start()
    yield
    for each in kept:
        each.stop()


RUN = ("run", "--method", "vae", "--dataset", "toy_grid")
SEEDS = ["", "-1", "1-", "a", "1,,2", "3-1", "0x1", "1.5", " ", "0-99999999999", "4294967296", "1;2", "1e3", "٣"]
VALUES = {
    "steps": [
        "",
        "abc",
        "-1",
        "0",
        "1.5",
        "true",
        "null",
        "[1]",
        "{a: 1}",
        "1e400",
        "nan",
        "inf",
        "9" * 500,
        "2026-01-01",
    ],
    "batch_size": ["0", "1e12", "x"],
    "latent_dim": ["0", "1e9"],
    "learning_rate": ["0", "-1", "nan", "x"],
    "precision": ["8"],
    "network": ["nope"],
    "sampler": ["nope", "pairs"],
    "sampler_options": ["3", "{foo: 1}"],
    "optimizer": ["sgd"],
    "weight_decay": ["-1"],
    "gradient_clip": ["0"],
    "evaluate_during": ["[nope]", "mig", "[mig, mig]"],
    "evaluate_every": ["-1"],
    "log_every": ["0"],
    "checkpoint_every": ["0"],
    "terms.kl.weight": ["x", "{kind: nope}", "{kind: linear}", "nan"],
    "terms.kl.start": ["-1", "x"],
    "terms.kl.moves": ["x"],
    "terms.kl.orthogonal_to": ["kl", "nope", "3"],
    "terms.kl.foo": ["1"],
    "terms.nope.weight": ["1"],
    "terms": ["1"],
    "terms.kl": ["1"],
    "methods.vae.foo": ["1"],
    "methods": ["1"],
    "scores": ["1"],
    "scores.scores": ["[]", "[nope]", "[1]", "[mig, mig]", "mig", "null"],
    "scores.mig.nope": ["1"],
    "scores.mig.num_bins": ["0", "-1", "x"],
    "scores.mig": ["5"],
    "scores.num_train": ["0", "1e12"],
    "scores.seed": ["-1"],
    "scores.nope": ["1"],
    "scores.replace": ["3"],
    "bottleneck": ["1"],
    "bottleneck.nope": ["1"],
    "a.b.c.d": ["1"],
    "beta": ["6"],
}
SAID_AS = {
    "scores.scores": "score",
    "terms.kl.weight": "weight",
    "terms.kl.start": "start",
    "terms.kl.orthogonal_to": "orthogonal_to",
}


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds(seeds: str, refuse: Refuse) -> None:
    refuse("--seeds", *RUN, f"--seeds={seeds}")


@pytest.mark.parametrize(
    "setting",
    [
        "beta_vae.beta=-1",
        "annealed_vae.c_max=-5",
        "factor_vae.gamma=-1",
        "dip_vae_i.lambda_od=-1",
        "dip_vae_ii.lambda_d_factor=-1",
        "beta_tcvae.beta=-2",
        "beta_tcvae.estimator=exact",
        "control_vae.c_max=-18",
        "control_vae.every=0",
        "dava.disc_weight=-1",
        "ada_gvae.beta=-1",
        "mmd.lambda_mmd=-1",
        "mmd.kernel=cubic",
        "qlae.num_values=1",
        "qlae.commitment=-1",
        "tripod.num_levels=1",
        "tripod.subset=0",
        "topdis.gamma=-1",
        "gmg.value=exact",
        "gmg.epsilon=0",
        "hfs.gamma=-1",
    ],
)
def test_hyperparameters(setting: str, refuse: Refuse) -> None:
    method, _, rest = setting.partition(".")
    name = rest.partition("=")[0]
    refuse(name, "run", "--method", method, *RUN[3:], "--set", f"methods.{setting}")


@pytest.mark.parametrize(
    ("said", "method", "settings"),
    [
        ("sampler=pairs", "ada_gvae", ["sampler=uniform"]),
        ("another sampler than pairs", "factor_vae", ["sampler=pairs"]),
        ("more than one base", "qlae+tripod", []),
        ("init belongs to the bounded value", "gmg", ["methods.gmg.value=debiased", "terms.gromov_monge.init=product"]),
        ("of a share are above 0", "vae", ["terms.kl.weight={kind: share, target: 0}"]),
        ("takes measured, capacity", "vae", ["terms.kl.weight={kind: steered}"]),
        ("_128", "vae", ["network=roth2023_128"]),
    ],
)
def test_methods_that_do_not_fit(said: str, method: str, settings: list[str], refuse: Refuse) -> None:
    refuse(said, "run", "--method", method, *RUN[3:], *(["--set", *settings] if settings else []))


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in VALUES.items() for value in values])
def test_settings(key: str, value: str, refuse: Refuse) -> None:
    refuse(SAID_AS.get(key, key.rpartition(".")[2]), *RUN, "--set", f"{key}={value}")


ODD = {
    "steps": "--set takes key=value",
    "=3": "--set takes key=value",
    "steps=&a [*a]": "aliases are not read",
    "steps=!!python/object:os.system x": "are not read",
    "steps='": "not YAML",
    "steps={": "not YAML",
    "steps=\x1b[31m": "not YAML",
}


@pytest.mark.parametrize(("word", "message"), ODD.items())
def test_words_that_are_no_settings(word: str, message: str, refuse: Refuse) -> None:
    refuse(message, *RUN, "--set", word)


METHODS = ["", "nope", "vae+vae", "vae+", "+vae", "vae vae", "vae+beta_vae", "../x", "VAE", "a" * 10_000, "\x1b[31mvae"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str, refuse: Refuse) -> None:
    refuse("method", "run", "--method", method, "--dataset", "toy_grid")


ARGUMENTS = [
    ("--dataset", "", "data set"),
    ("--dataset", "../x", "'../x'"),
    ("--protocol", "nope", "protocol"),
    ("--protocol", "../quick", "protocol"),
    ("--source", "nope", "source"),
    ("--device", "tpu", "--device"),
    ("--device", "mps", "mps"),
    ("--logger", "nope", "logger"),
    ("--plugin", "nope.py", "nope.py"),
    ("--plugin", ".", "plugin '.'"),
    ("--runs", __file__, "test_bad_input.py is a file"),
    ("--data-dir", __file__, "test_bad_input.py"),
    ("--steps", "30", "--set steps=30"),
]


@pytest.mark.parametrize(("name", "value", "named"), ARGUMENTS)
def test_arguments(name: str, value: str, named: str, refuse: Refuse) -> None:
    refuse(named, *RUN, name, value)


COMMANDS = {
    "resume .": "not the folder of a run",
    "resume nope": "nope",
    "score .": "no finished runs",
    "leaderboard --format x": "--format",
    "leaderboard --output no/x.csv": "no/x.csv",
    "list x": "'x'",
    "list": "required",
    "data x": "'x'",
    "data prepare": "takes the name of a data set",
    "data prepare nope": "nope",
    "data verify toy_grid --source x": "x",
    "data list --file x": "--file",
    "check nope.py": "nope.py",
    "check": "required",
    "x": "'x'",
    "": "verb",
    "run": "required",
    "--x": "--x",
    "study nope.yaml": "nope.yaml",
    "study .": "directory",
    "evaluate --codes x --factors y": "x is not a",
    "evaluate --codes x.npy --factors y.npy": "x.npy",
    "evaluate --codes x.npy --bins x": "--bins is a whole number, not x",
}


@pytest.mark.parametrize(("words", "named"), COMMANDS.items())
def test_commands(words: str, named: str, refuse: Refuse) -> None:
    refuse(named, *words.split())


STUDY = "title: t\nprotocol: quick\ndatasets: [toy_grid]\nseeds: 0\nmethods: [vae]\n"
STUDIES = {
    "empty": "",
    "list": "[1, 2]",
    "no methods": STUDY.replace("methods: [vae]\n", ""),
    "empty methods": STUDY.replace("[vae]", "[]"),
    "methods a word": STUDY.replace("[vae]", "vae"),
    "a number": STUDY.replace("[vae]", "[3]"),
    "unknown method": STUDY.replace("[vae]", "[vaee]"),
    "a method twice": STUDY.replace("[vae]", "[vae, vae]"),
    "a sum twice": STUDY.replace("[vae]", "[topdis, beta_tcvae+topdis]"),
    "unknown data set": STUDY.replace("toy_grid", "toy"),
    "a data set twice": STUDY.replace("[toy_grid]", "[toy_grid, toy_grid]"),
    "unknown protocol": STUDY.replace("quick", "qick"),
    "seeds": STUDY.replace("seeds: 0", "seeds: x"),
    "settings a list": STUDY + "settings: [1]\n",
    "unknown setting": STUDY + "settings: {stepss: 3}\n",
    "unknown key": STUDY + "nots: 3\n",
    "a key twice": STUDY + "title: u\n",
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\n",
    "tags": STUDY + "note: !!python/name:os.system\n",
    "tabs": "\ttitle: x\n",
    "title a list": STUDY.replace("title: t", "title: [t]"),
    "unknown key of an entry": STUDY.replace("[vae]", "[{method: vae, seting: {}}]"),
    "settings of an entry": STUDY.replace("[vae]", "[{method: vae, settings: 3}]"),
    "a value of an entry": STUDY.replace("[vae]", "[{method: vae, settings: {steps: [1]}}]"),
    "too deep": "a: " + "[" * 3000,
    "no text": bytes(range(256)).decode("latin-1"),
}


@pytest.mark.parametrize("text", STUDIES.values(), ids=STUDIES)
def test_studies(text: str, refuse: Refuse) -> None:
    Path("mine.yaml").write_bytes(text.encode("latin-1"))
    refuse("mine.yaml", "study", "mine.yaml")


def test_workers_of_a_study(refuse: Refuse) -> None:
    Path("mine.yaml").write_text(STUDY)
    refuse("--workers", "study", "mine.yaml", "--workers", "0")
    refuse("--workers is a whole number", "study", "mine.yaml", "--workers", "x")


HEAD = """
import torch, lightning
from dataclasses import dataclass
import disent_datasets as dd
from disent_bench import Objective, Term, register_dataset, register_method, register_network, register_term
from disent_bench.terms import KL, Reconstruction
"""
METHOD = '\n@register_method("bad")\n@dataclass(frozen=True)\nclass A:\n    """A method."""\n'
TERM = '\n@register_term("badterm")\nclass T(Term):\n    """A term."""\n    def forward(self, p):\n        return {}\n'
MODULE = (
    '\n@register_method("bad")\nclass A(lightning.LightningModule):\n    """A module."""\n'
    "    def __init__(self, image_shape):\n        super().__init__()\n        self.l = torch.nn.Linear(4096, 4)\n"
    "    def encode(self, images): return {encode}\n    def training_step(self, batch, i): {step}\n"
    "    def configure_optimizers(self): return torch.optim.Adam(self.parameters())\n"
)
STEP, CODES = "return self.l(batch.images.flatten(1)).mean()", "self.l(images.flatten(1))"


def objective(text: str) -> str:
    return f"{METHOD}    def objective(self): {text}\n"


def with_term(value: str) -> str:
    return TERM.format(value) + objective("return Objective(Reconstruction(), KL(), T())")


PLUGINS = {
    "syntax": ("def f(:\n", "mine.py"),
    "raises": ("raise RuntimeError('boom\\nmore')", "boom more"),
    "exits": ("import sys; sys.exit(0)", "SystemExit"),
    "an import that is missing": ("import no_such_module_x", "no_such_module_x"),
    "no text": ("x = '\0'\n", "mine.py"),
    "nothing": ("x = 1\n", "'bad'"),
    "neither": (METHOD + "    x: int = 3\n", "neither objective() nor terms()"),
    "both": (objective("pass") + "    def terms(self): pass\n", "both"),
    "a function": ('\n@register_method("bad")\ndef a(): pass\n', "function a"),
    "a list": (objective("return [KL()]"), "returns an Objective"),
    "none": (objective("return None"), "returns an Objective, not None"),
    "no term": (objective("return Objective()"), "without a term"),
    "a term twice": (objective("return Objective(KL(), KL())"), "appears twice"),
    "an objective that raises": (objective("raise KeyError('x')"), "objective() of method 'bad' fails: KeyError: 'x'"),
    "no default": (METHOD + "    x: int\n    def objective(self): pass\n", "without a default: x"),
    "a float": (with_term("1.0"), "forward of term 'badterm' returns a scalar tensor, not 1.0"),
    "a vector": (with_term("p.z"), "a tensor of shape (16, 10)"),
    "a term that raises": (with_term("1 / 0"), "ZeroDivisionError"),
    "a term that exits": (with_term("exit(0)"), "SystemExit"),
    "a value that is not there": (with_term("p.nope"), "'nope'"),
    "no name": (with_term("p.z.mean()").replace('@register_term("badterm")', ""), "register_term"),
    "a name that is none": (TERM.format("p.z").replace("badterm", "a b"), "'a b'"),
    "a name that is taken": (TERM.format("p.z").replace("badterm", "kl"), "already registered"),
    "a version": (TERM.format("p.z").replace('"badterm"', '"zz", version=0'), "version"),
    "a tuple of codes": (MODULE.format(encode="(images, images)", step=STEP), "encode(images) returns codes (16, d)"),
    "codes in four dimensions": (MODULE.format(encode="images[:, :4]", step=STEP), "shape (16, 1, 64, 64)"),
    "no codes": (MODULE.format(encode="None", step=STEP), "not None"),
    "a step that raises": (MODULE.format(encode=CODES, step="raise ValueError('x')"), "first batch: x"),
    "a module without encode": (MODULE.format(encode="0", step=STEP).replace("def encode", "def code"), "lacks encode"),
}


@pytest.mark.parametrize(("code", "named"), PLUGINS.values(), ids=PLUGINS)
def test_plugins(code: str, named: str, refuse: Refuse) -> None:
    Path("mine.py").write_text(code if code.startswith(("def", "raise", "import", "x")) else HEAD + code)
    refuse(named, "run", "--method", "bad", "--dataset", "toy_grid", "--plugin", "mine.py")


DATASET = (
    "\n@register_dataset('bad_set', title='x', factors=dd.FactorSpace(('a', 'b'), {sizes}), shape=(64, 64, 1), "
    "licence='x', citation='x')\ndef f(request): return {what}\n"
)
DATASETS = {
    "none": (DATASET.format(sizes="(2, 2)", what="None"), "bad_set"),
    "one value": (DATASET.format(sizes="(1, 2)", what="None"), "a of bad_set has one value"),
    "raises": (DATASET.format(sizes="(2, 2)", what="1 / 0"), "bad_set"),
}


@pytest.mark.parametrize(("code", "named"), DATASETS.values(), ids=DATASETS)
def test_data_sets_of_ones_own(code: str, named: str, refuse: Refuse) -> None:
    Path("mine.py").write_text(HEAD + code)
    refuse(named, "run", "--method", "vae", "--dataset", "bad_set", "--plugin", "mine.py")


RUN_FILES = {
    "config.yaml": ["", "[1]", "hello", "a: &a [*a]", "steps: 3", "\x00", "{", "method: 3\n"],
    "failure.json": ["[]", "{", "", "{}", "3", "null"],
    "metrics.jsonl": ["{", "[]\n3\n", "\x00\x01", '{"step": "x"}\n'],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in RUN_FILES.items() for text in texts])
def test_damaged_files_of_a_run_are_shown_as_such(
    name: str, text: str, refuse: Refuse, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("runs/quick/toy_grid/vae/abc/seed-0")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("steps: 3\n")
    (folder / name).write_text(text)
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "quick/toy_grid"
    assert "seed-0" in out.splitlines()[1]
    assert len(out.splitlines()) == 2
    assert main(["leaderboard"]) == 0
    capsys.readouterr()
    refuse("seed-0", "resume", folder)
