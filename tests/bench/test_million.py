"""An interrupted run of ``benchmarks/million.py`` leaves a file, and the next one starts from it or refuses it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from otcore._solve import run
from otcore.engines import generation
from otcore.errors import InvalidProblemError
from otcore.solvers import network_simplex

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "million.py"


@pytest.fixture
def million(monkeypatch):
    spec = importlib.util.spec_from_file_location("million", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "million", module)
    spec.loader.exec_module(module)
    return module


def test_a_killed_run_goes_on_where_it_was(million, tmp_path, monkeypatch):
    monkeypatch.setattr(network_simplex, "FIRST_LOOK", 3000)
    monkeypatch.setattr(generation, "LONG", 1000)
    problem, path = million.points(4000, 2.0), tmp_path / "state.npz"

    class Killed(Exception):
        pass

    def save_and_die(*arguments):
        million_save(*arguments)
        raise Killed

    million_save = million.save
    monkeypatch.setattr(million, "save", save_and_die)
    with pytest.raises(Killed):
        run(problem, million.Saved(path=path))
    monkeypatch.setattr(million, "save", million_save)
    rest = run(problem, million.Saved(path=path))
    whole = run(problem, "network-simplex")
    assert rest.certified and rest.report.pivots < 0.9 * whole.report.pivots
    assert max(rest.lower, whole.lower) <= min(rest.upper, whole.upper)


N = 40
WRONG = {  # changes to the arrays of a sound state
    "a missing key": lambda s: s.pop("g"),
    "a row out of range": lambda s: s["i"].__setitem__(0, N),
    "a negative row": lambda s: s["i"].__setitem__(0, -1),
    "a column out of range": lambda s: s["j"].__setitem__(0, N),
    "unequal lengths": lambda s: s.update(mass=s["mass"][1:]),
    "a column vector": lambda s: s.update(f=s["f"][:, None]),
    "a matrix of rows": lambda s: s.update(i=s["i"][:, None]),
    "other points": lambda s: s.update(f=s["f"][1:]),
    "strings": lambda s: s.update(f=s["f"].astype(str)),
    "rows as strings": lambda s: s.update(i=s["i"].astype(str)),
    "complex numbers": lambda s: s.update(g=s["g"] + 1j),
    "complex masses": lambda s: s.update(mass=s["mass"] + 1j),
    "objects": lambda s: s.update(mass=s["mass"].astype(object)),
    "fractional rows": lambda s: s.update(i=s["i"] + 0.5),
    "nan": lambda s: s["f"].__setitem__(3, np.nan),
    "infinite mass": lambda s: s["mass"].__setitem__(3, np.inf),
    "a number": lambda s: s.update(f=1.0),
}


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


BROKEN = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"garbage " * 99,
    "a flipped byte": flipped,
    "a pickle": lambda content: b"\x80\x04N.",
    "an .npy": lambda content: content[content.index(b"\x93NUMPY") : content.index(b"\x93NUMPY") + 128 + 8 * N],
}


@pytest.mark.parametrize("change", [*WRONG, *BROKEN])
def test_a_file_that_is_no_state_of_these_points_is_refused(million, change, tmp_path, monkeypatch, capsys):
    path = tmp_path / "state.npz"
    run(million.points(N, 2.0), million.Saved(path=path))
    million.load(path, million.points(N, 2.0))
    if change in WRONG:
        with np.load(path) as held:
            state = dict(held)
        WRONG[change](state)
        np.savez(path, **state)
    else:
        path.write_bytes(BROKEN[change](path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(InvalidProblemError, match="no state of a run of these points"):
        run(million.points(N, 2.0), million.Saved(path=path))
    monkeypatch.setattr(million, "WARM", N)
    monkeypatch.setattr(sys, "argv", ["million.py", "--points", str(N), "--state", str(path)])
    with pytest.raises(SystemExit) as end:
        million.main()
    said = capsys.readouterr().err.splitlines()[-1]  # after the bar
    assert end.value.code == 2 and str(path) in said and "remove it, or name another --state" in said
    assert path.read_bytes() == before


def test_a_finished_run_says_so_and_removes_its_state(million, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(million, "WARM", N)
    state, out = tmp_path / "state.npz", tmp_path / "out.jsonl"
    out.write_text('{"points": 4')  # killed while it wrote
    monkeypatch.setattr(sys, "argv", ["m", "--points", str(N), "--state", str(state), "--json", str(out)])
    million.main()
    assert '"status": "CERTIFIED"' in capsys.readouterr().out and not state.exists()
    assert json.loads(out.read_text().splitlines()[1])["points"] == N
