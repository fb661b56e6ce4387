"""Codes and factors that people bring as files: the same scores as from arrays, or one line that says what to mend."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from disent_metrics.files import evaluate_files, read_array
from disent_metrics.protocol import get_protocol
from disent_metrics.text_tables import read_table

from disent_bench.cli.main import main

Refuse = Callable[..., None]
LOCATELLO = get_protocol("locatello2019")
RNG = np.random.default_rng(0)
FACTORS = RNG.integers((3, 4), size=(600, 2))
CODES = np.round(FACTORS + 0.1 * RNG.normal(size=FACTORS.shape), 6)
WORDS = np.array([["ellipse", "heart", "square"][value] for value in FACTORS[:, 0]])


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    return path


FRAME = pd.DataFrame(CODES, columns=["a", "b"])
WRITTEN = {
    "plain": FRAME.to_csv(index=False, header=False),
    "heading": FRAME.to_csv(index=False),
    "row numbers and heading": FRAME.to_csv(),
    "row numbers and numbers as heading": pd.DataFrame(CODES).to_csv(),
    "semicolons": FRAME.to_csv(index=False, sep=";"),
    "tabs": FRAME.to_csv(index=False, sep="\t"),
    "blanks": FRAME.to_csv(index=False, header=False, sep=" "),
    "byte-order mark": "\ufeff" + FRAME.to_csv(index=False),
    "line ends of Windows": FRAME.to_csv(index=False, lineterminator="\r\n"),
    "comments": "# made by hand\n" + FRAME.to_csv(index=False, header=False),
    "empty lines at the end": FRAME.to_csv(index=False) + "\n\n",
    "quotes": FRAME.to_csv(index=False, quoting=1),
    "row numbers as pandas calls them": FRAME.to_csv(index_label="Unnamed: 0"),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_tables_of_other_tools_hold_the_same_values(text: str, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_table(table(tmp_path, text)), CODES)


REFUSED = {
    "row numbers by name": (FRAME.to_csv(index_label="number"), "column number numbers the rows"),
    "row numbers without heading": (FRAME.to_csv(header=False), "column 1 numbers the rows"),
    "numbers as heading": (pd.DataFrame(CODES).to_csv(index=False), r"row 1 \(0, 1\) may be a heading"),
    "decimal commas": (FRAME.to_csv(index=False, header=False, sep=";", decimal=","), "write decimal points"),
    "words": ("a,b\n1,2\n3,cat\n", "column b holds 'cat' in row 2, not a number"),
    "a missing value": ("a,b\n1,2\n3,\n", "column b has no value in row 2"),
    "ragged rows": ("1,2\n3,4\n5\n", "rows of different numbers of cells"),
    "ragged far below": ("1,2\n" * 30 + "5\n", "row 31 has 1 cells and row 1 has 2"),
    "no rows": ("\n\n", "no rows"),
    "only a heading": ("# nothing\n", "no rows"),
    "words under words": ("cat,dog\ncat,cow\n", "may be a heading or classes"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_of_values_is_refused_by_line_or_column(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(table(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("1,2\n".encode("utf-16"))
    with pytest.raises(ValueError, match="not a text in UTF-8"):
        read_table(path)


def test_factors_can_be_words(tmp_path: Path) -> None:
    text = pd.DataFrame({"shape": WORDS, "size": FACTORS[:, 1]}).to_csv(index=False)
    np.testing.assert_array_equal(read_array(table(tmp_path, text), "factors"), FACTORS)
    with pytest.raises(ValueError, match="column shape holds"):
        read_array(table(tmp_path, text), "codes")


def scores(codes: Path, factors: Path | None = None, **options: object) -> dict[str, float]:
    return evaluate_files(codes, factors, None, None, LOCATELLO, scores=["mig", "sap"], **options).scores  # type: ignore[arg-type]


def test_arrays_by_name_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "codes.npy", CODES)
    np.save(tmp_path / "factors.npy", FACTORS)
    np.savez(tmp_path / "both.npz", codes=CODES, factors=FACTORS, more=CODES)
    torch.save({"codes": torch.from_numpy(CODES), "factors": torch.from_numpy(FACTORS)}, tmp_path / "both.pt")
    expected = scores(tmp_path / "codes.npy", tmp_path / "factors.npy")
    assert set(expected) == {"mig", "sap"}
    for name in ("both.npz", "both.pt"):
        assert scores(tmp_path / name) == expected
        assert scores(tmp_path / name, tmp_path / "factors.npy") == expected
    np.savez(tmp_path / "strange.npz", a=CODES, b=FACTORS)
    for name, message in (("codes.npy", "holds no array called factors"), ("strange.npz", "called factors")):
        assert main(["evaluate", "--codes", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
    assert main(["evaluate", "--codes", str(tmp_path / "codes.npy"), "--factors", str(tmp_path / "strange.npz")]) == 2
    assert "holds 2 arrays (a, b); call one factors" in capsys.readouterr().err


def test_half_precision_is_read(tmp_path: Path) -> None:
    torch.save(torch.from_numpy(CODES).bfloat16(), tmp_path / "codes.pt")
    np.testing.assert_array_equal(
        read_array(tmp_path / "codes.pt", "codes"), torch.from_numpy(CODES).bfloat16().float()
    )


def test_continuous_factors_are_refused_with_the_way_out_and_cut_into_bins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = RNG.random((6000, 2))
    factors = np.concatenate([values, RNG.integers(3, size=(6000, 1))], axis=1)
    np.save(tmp_path / "codes.npy", factors)
    np.save(tmp_path / "factors.npy", factors)
    np.save(tmp_path / "ranks.npy", np.stack([np.unique(c, return_inverse=True)[1] for c in factors.T], axis=1))
    given = ["evaluate", "--codes", str(tmp_path / "codes.npy"), "--factors"]
    for name, message in (("factors.npy", "cut continuous values into bins"), ("ranks.npy", "which is no class")):
        assert main([*given, str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
        assert main([*given, str(tmp_path / name), "--bins", "20", "--scores", "mig,dci", "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["scores"]["mig"] > 0.9
        assert result["scores"]["dci_disentanglement"] > 0.95
        assert "factors 1, 2 cut into 20 bins of equal width" in result["notes"]
    assert main([*given, str(tmp_path / "factors.npy"), "--bins", "1"]) == 2
    assert "--bins is from 2 to 10000, not 1" in capsys.readouterr().err


def test_bins_of_a_test_set_have_the_edges_of_training(tmp_path: Path) -> None:
    values = RNG.random((3000, 1))
    for name, array in (("codes", values[:2000]), ("test", values[2000:] * 0.5)):
        np.save(tmp_path / f"{name}.npy", np.concatenate([array, array], axis=1))
    codes, test = tmp_path / "codes.npy", tmp_path / "test.npy"
    found = evaluate_files(codes, codes, test, test, LOCATELLO, scores=["dci"], bins=10)
    assert found.scores["dci_informativeness_test"] > 0.99


def test_masked_values_are_refused() -> None:
    from disent_metrics.functional import mutual_information_gap

    with pytest.raises(ValueError, match="codes is a masked array with 600 masked values"):
        mutual_information_gap(np.ma.masked_array(CODES, mask=np.isin(CODES, np.sort(CODES, axis=None)[:600])), FACTORS)
    whole = mutual_information_gap(np.ma.masked_array(CODES, mask=False), FACTORS)
    assert whole == mutual_information_gap(CODES, FACTORS)


ARRAYS = {
    "one dimension": np.zeros(9),
    "three": np.zeros((3, 3, 3)),
    "empty": np.zeros((0, 3)),
    "nan": np.full((600, 2), np.nan),
    "infinite": np.full((600, 2), np.inf),
    "complex": np.ones((600, 2), complex),
    "words": np.array([["a", "b"]] * 600),
    "short": np.zeros((2, 2)),
    "dates": np.zeros((600, 2), "M8[s]"),
    "records": np.zeros(600, [("a", "f8")]),
}


@pytest.mark.parametrize("wrong", ["codes", "factors"])
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays(array: np.ndarray, wrong: str, refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, values in {"codes": FACTORS + 0.1, "factors": FACTORS, wrong: array}.items():
        np.save(f"{name}.npy", values)
    refuse(wrong, "evaluate", "--codes", "codes.npy", "--factors", "factors.npy")


HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000, 2), }".ljust(117) + b"\n"
LIE = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(HEADER)) + HEADER


def archive(name: str, method: int, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(name, "w", method) as file:
        for member, content in members.items():
            file.writestr(member, content)


FILES = {
    "text.npy": lambda name: Path(name).write_text("hello"),
    "empty.npy": lambda name: Path(name).touch(),
    "empty.npz": lambda name: Path(name).touch(),
    "empty.pt": lambda name: Path(name).touch(),
    "empty.csv": lambda name: Path(name).touch(),
    "text.pt": lambda name: Path(name).write_text("hello"),
    "text.npz": lambda name: Path(name).write_text("hello"),
    "kind.json": lambda name: Path(name).write_text("[]"),
    "folder.npy": lambda name: Path(name).mkdir(),
    "object.npy": lambda name: np.save(name, np.array([{}], dtype=object), allow_pickle=True),
    "module.pt": lambda name: torch.save(torch.nn.Linear(2, 2), name),
    "numpy.pt": lambda name: torch.save(np.zeros((3, 2)), name),
    "mapping.pt": lambda name: torch.save({"a": 3}, name),
    "list.pt": lambda name: torch.save([1, 2], name),
    "lie.npy": lambda name: Path(name).write_bytes(LIE),
    "lie.npz": lambda name: archive(name, zipfile.ZIP_STORED, {"codes.npy": LIE}),
    "odd.npz": lambda name: archive(name, zipfile.ZIP_LZMA, {"codes.npy": b"hello"}),
    "none.npz": lambda name: archive(name, zipfile.ZIP_STORED, {}),
    "binary.csv": lambda name: Path(name).write_bytes(bytes(range(256))),
    "wide.csv": lambda name: Path(name).write_text("1," * 100_000 + "\n"),
}


@pytest.mark.parametrize(("name", "write"), FILES.items(), ids=FILES)
def test_files(
    name: str, write: Callable[[str], object], refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(name)
    np.save("factors.npy", FACTORS)
    refuse(name, "evaluate", "--codes", name, "--factors", "factors.npy")


def test_codes_in_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "factors.npy", FACTORS)
    slots = np.stack([np.outer(column, [1.0, 2.0]) for column in CODES.T], axis=1)
    np.save(tmp_path / "slots.npy", slots)
    np.save(tmp_path / "flat.npy", slots.reshape(600, 4))
    call = ["evaluate", "--factors", str(tmp_path / "factors.npy"), "--scores", "mig,dci", "--json"]
    printed = []
    for more in (["slots.npy"], ["flat.npy", "--groups", "2"], ["flat.npy", "--groups", "2,2"]):
        assert main([*call, "--codes", str(tmp_path / more[0]), *more[1:]]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1] == printed[2]
    assert "each scored by its first principal component, which holds 100 to 100 %" in printed[0]["notes"][0]
    plain = evaluate_files(tmp_path / "flat.npy", tmp_path / "factors.npy", None, None, LOCATELLO, scores=["mig"])
    assert printed[0]["scores"]["mig"] > 0.5 > plain.scores["mig"]  # the second column of a group knows as much
    assert main([*call, "--codes", str(tmp_path / "slots.npy"), "--reduce", "sum"]) == 0
    sums = json.loads(capsys.readouterr().out)
    assert (set(sums["errors"]), "dci_completeness" in sums["scores"]) == ({"mig"}, True)
    for groups, line in (("3", "codes has 4 columns, which are no groups of 3"), ("a", "--groups are whole numbers")):
        assert main([*call, "--codes", str(tmp_path / "flat.npy"), "--groups", groups]) == 2
        assert line in capsys.readouterr().err
    assert main([*call, "--codes", str(tmp_path / "flat.npy"), "--reduce", "sum"]) == 2
    assert "give groups" in capsys.readouterr().err
