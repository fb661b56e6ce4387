from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from disent_bench.config.method import parse_method
from disent_bench.config.protocols import load_protocol, protocol_names
from disent_bench.config.resolve import resolve
from disent_bench.config.run import LATER
from disent_bench.config.values import parse_value
from disent_bench.registry import TERMS


def key(method: str, protocol: str = "quick", **overrides: object) -> str:
    return resolve(method, "toy_grid", protocol, overrides=overrides).key("data")


@pytest.mark.parametrize(
    ("text", "names"),
    [("vae", ["vae"]), ("topdis+beta_vae", ["beta_vae", "topdis"]), ("topdis", ["topdis"])],
)
def test_a_sum_is_its_base_and_its_sorted_regularisers(text: str, names: list[str]) -> None:
    assert parse_method(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topdiss", "unknown method 'topdiss', did you mean 'topdis'"),
        ("vae+beta_vae", "more than one base method: vae, beta_vae"),
        ("vae+topdis+topdis", "appears twice"),
        ("", "unknown method ''"),
        ("vae+", "unknown method ''"),
    ],
)
def test_sums_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        parse_method(text)


def test_a_regulariser_alone_stands_on_beta_tcvae() -> None:
    config = resolve("topdis", "toy_grid", "quick")
    assert config.method == "topdis"
    assert list(config.methods) == ["beta_tcvae", "topdis"]
    assert list(config.terms) == ["reconstruction", "kl", "total_correlation", "topological"]
    assert config.key("data") == key("topdis+beta_tcvae")


def test_a_recipe_and_its_term_can_both_be_changed() -> None:
    by_recipe = key("topdis", **{"methods.topdis.gamma": 7})
    assert by_recipe == key("topdis", **{"terms.topological.weight": 7})
    assert by_recipe != key("topdis")
    both = resolve(
        "topdis", "toy_grid", "quick", overrides={"methods.topdis.gamma": 7, "terms.topological.weight": 2.0}
    )
    assert both.terms["topological"]["weight"] == 2.0


def test_the_key_holds_what_the_result_depends_on() -> None:
    assert key("vae") == key("vae", checkpoint_every=3, log_every=7, evaluate_every=9)
    changed = [
        key("vae"),
        key("vae", steps=17),
        key("vae", batch_size=17),
        key("vae", learning_rate=0.5),
        key("vae", **{"terms.kl.weight": 1.5}),
        key("vae", precision="bf16"),
        resolve("vae", "toy_grid", "quick").key("other data"),
        resolve("vae", "dsprites", "quick").key("data"),
        resolve("vae", "dsprites", "quick", source="official").key("data"),
        key("vae", protocol="locatello2019"),
    ]
    assert len(set(changed)) == len(changed)
    assert key("vae") == key("vae", **{"scores.num_train": 77}), "scoring has a key of its own"


def test_what_was_typed_and_changes_nothing_is_no_change() -> None:
    plain = resolve("topdis", "dsprites", "quick")
    idle = {
        "beta2": 0.999,
        "batch_size": 64,
        "methods.beta_tcvae.beta": plain.methods["beta_tcvae"]["beta"],
        "methods.topdis.gamma": 5,
        "terms.topological.power": 1,
        "terms.topological.weight": 5.0,
        "scores.num_train": 5000,
        "scores.mig.num_bins": 20,
    }
    config = resolve("topdis", "dsprites", "quick", overrides={**idle, "steps": 7})
    assert config.changes == {"steps": 7}
    assert config.scoring == plain.scoring
    changed = {"terms.topological.power": 2.0, "scores.mig.num_bins": 10, "methods.topdis.gamma": 4}
    assert resolve("topdis", "dsprites", "quick", overrides=changed).changes == changed


def test_two_changes_that_say_the_same_are_not_both_left_out() -> None:
    twice = {"scores.scores": ["mig"], "scores.num_bins": 10, "scores.mig.num_bins": 10}
    changes = resolve("vae", "dsprites", "quick", overrides=twice).changes
    assert changes == {"scores.scores": ["mig"], "scores.mig.num_bins": 10}


def test_the_key_is_the_same_in_every_process() -> None:
    program = "import disent_bench.methods; from disent_bench.config.resolve import resolve; "
    program += "print(resolve('topdis', 'toy_grid', 'quick').key('data'))"
    other = str(int(os.environ.get("PYTHONHASHSEED", "random") != "1"))
    environment = {**os.environ, "PYTHONHASHSEED": other}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == key("topdis")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stesp": 3}, "unknown setting 'stesp', did you mean 'steps'"),
        ({"terms.topolgical.weight": 3}, "did you mean 'terms.topological.weight'"),
        ({"terms.kl": 3}, "unknown setting 'terms.kl'"),
        ({"methods.topdis.gama": 3}, "did you mean 'methods.topdis.gamma'"),
        ({"scores.num_trian": 3}, "did you mean 'num_train'"),
        ({"steps": "many"}, "steps is a whole number, not 'many'"),
        ({"steps": 1.5}, "steps is a whole number, not 1.5"),
        ({"steps": 0}, "steps is at least 1"),
        ({"learning_rate": True}, "learning_rate is a number, not True"),
        ({"learning_rate": -1.0}, "learning_rate is above 0"),
        ({"precision": "16"}, "precision is auto or bf16 or tf32 or 32"),
        ({"precision": "tf32"}, "precision=tf32 is of NVIDIA GPUs; take bf16 or 32"),
        ({"terms.topological.power": "two"}, "terms.topological.power is a number"),
        ({"terms.topological.start": -1}, "start of a term"),
        ({"terms.topological.axis": "random"}, "terms.topological.axis is weight_norm or uniform"),
        ({"terms.kl.weight": {"kind": "liner"}}, "did you mean 'linear'"),
    ],
)
def test_bad_settings_say_what_would_work(overrides: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve("topdis", "toy_grid", "quick", overrides=overrides)


def test_settings_take_the_type_of_their_hint() -> None:
    config = resolve("topdis", "toy_grid", "quick", overrides={"steps": 2e2, "terms.topological.max_bars": None})
    assert config.settings.steps == 200
    assert isinstance(config.settings.steps, int)
    assert config.terms["topological"]["max_bars"] is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("3", 3),
        ("null", None),
        ("true", True),
        ("[mig]", ["mig"]),
        ("{kind: pi, target: 5}", {"kind": "pi", "target": 5}),
        ("abc", "abc"),
    ],
)
def test_values_read_as_yaml_with_all_numbers(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_resolves_and_can_be_written_down(name: str) -> None:
    assert load_protocol(name).title
    config = resolve("topdis", "dsprites", name)
    again = yaml.safe_load(yaml.safe_dump(config.to_dict()))
    assert again == config.to_dict()
    assert config.scores.name == name


PLUGIN = '''
import {helper}
from disent_bench import Objective, Term, register_method, register_term
from disent_bench.terms import KL

@register_term("of_{name}")
class Own(Term):
    """A term of a plug-in, for a test of keys."""
    def forward(self, p):
        return {helper}.value(p)

@register_method("method_{name}")
class Method:
    """A method of a plug-in, for a test of keys."""
    def objective(self):
        return Objective(KL(), Own())
'''


KEYS = """
import json, os, sys
from disent_bench.config.resolve import resolve
from disent_bench.plugins import load_plugins
sys.dont_write_bytecode = True
for line in sys.stdin:
    method, *plugins = json.loads(line)
    if os.fork():
        os.wait()
    else:
        load_plugins(plugins)
        print(resolve(method, "toy_grid", "quick", plugins=plugins).key("data"), flush=True)
        os._exit(0)
"""


@pytest.fixture
def key_in_a_process(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return the key of a method, loading plug-ins, that a process of its own finds; all have the imports of one."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", KEYS], cwd=tmp_path, **pipes) as process:

        def ask(*words: str) -> str:
            process.stdin.write(json.dumps(words) + "\n")
            told = process.stdout.readline()
            assert told, "it ended"
            return told.strip()

        yield ask


def test_a_plugin_and_what_it_imports_is_part_of_the_key_of_its_users_alone(
    tmp_path: Path, key_in_a_process: Callable[..., str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(PLUGIN.format(name=name, helper=f"helper_{name}"))
        (tmp_path / f"helper_{name}.py").write_text("import deeper\ndef value(p):\n    return deeper.value(p)\n")
    (tmp_path / "deeper.py").write_text("def value(p):\n    return p.mean.sum()\n")
    plain, alone = key_in_a_process("vae"), key_in_a_process("method_a", "a.py")
    assert key_in_a_process("vae", "a.py", "b.py") == plain, "a plug-in that is not used changes nothing"
    assert key_in_a_process("method_a", "b.py", "a.py") == alone
    (tmp_path / "helper_b.py").write_text("def value(p):\n    return p.mean.sum()\n")
    assert key_in_a_process("method_a", "b.py", "a.py") == alone
    (tmp_path / "deeper.py").write_text("def value(p):\n    return p.mean.sum() * 2\n")
    changed = key_in_a_process("method_a", "a.py")
    assert changed != alone, "a module that the plug-in imports changed"
    (tmp_path / "a.py").write_text((tmp_path / "a.py").read_text() + "# changed\n")
    assert key_in_a_process("method_a", "a.py") not in (alone, changed)


def test_a_version_is_part_of_the_key_of_what_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {method: key(method) for method in ("vae", "topdis")}
    entry = TERMS["topological"]
    monkeypatch.setitem(TERMS._entries, "topological", dataclasses.replace(entry, version=entry.version + 1))
    assert key("vae") == before["vae"]
    assert key("topdis") != before["topdis"]
    assert resolve("topdis", "toy_grid", "quick").versions["term topological"] == entry.version + 1


def test_settings_that_came_later_keep_the_keys_of_runs_from_before() -> None:
    config = resolve("gmg", "toy_grid", "quick", overrides={"methods.gmg.value": "bounded"})
    meaning = config._meaning()
    for address, without in LATER.items():
        *path, name = address.split(".")
        here, there = config.to_dict(), meaning
        for part in path:
            here, there = here[part], there[part]
        assert here[name] == without
        assert name not in there
    changed = resolve("gmg", "toy_grid", "quick", overrides={"terms.gromov_monge.value": "debiased"})
    assert changed.key("data") != config.key("data")
