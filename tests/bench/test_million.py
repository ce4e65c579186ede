"""An interrupted run of ``benchmarks/million.py`` leaves a file, and the next one starts from it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from otcore._solve import run
from otcore.engines import generation
from otcore.solvers import network_simplex

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "million.py"


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("million", SCRIPT)
    million = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "million", million)
    spec.loader.exec_module(million)
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
