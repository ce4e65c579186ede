"""Scripts that a kill interrupted while they wrote a line of ``--resume`` do that part again, and no other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """A module of benchmarks/, by name; the search path is put back."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_a_cut_batch_of_rigour_is_judged_again(script, tmp_path, monkeypatch):
    rigour, path, judged = script("rigour"), tmp_path / "resume.jsonl", []
    monkeypatch.setattr(rigour, "judge", lambda seed, largest, counts: judged.append(seed) or [])
    monkeypatch.setattr(rigour, "commit", lambda: "0000000")  # a copy of the files is no checkout
    whole = list(rigour.batches(0, 40, 5, path))
    path.write_bytes(path.read_bytes()[:-30])
    assert list(rigour.batches(0, 40, 5, path)) == whole
    assert judged == [*range(40), *range(20, 40)]
    assert list(rigour.batches(0, 40, 5, path)) == whole and len(judged) == 60


def test_a_cut_verdict_on_a_mutant_is_found_again(script, tmp_path, monkeypatch, capsys):
    mutants, path, tried = script("mutants"), tmp_path / "resume.jsonl", []

    def killed(mutant):
        tried.append(mutant.fault)
        return "failed" if mutant.line else ""

    module = "otcore/_table.py"
    for name, value in (("TESTS", {module: []}), ("killed", killed), ("fails", bool), ("forget", lambda: None)):
        monkeypatch.setattr(mutants, name, value)
    monkeypatch.setattr(sys, "argv", ["mutants.py", module, "--resume", str(path)])
    assert mutants.main() == 0
    every = tried.copy()
    path.write_bytes(path.read_bytes()[:-5])
    assert mutants.main() == 0 and mutants.main() == 0
    assert len(every) > 5 and tried[len(every) :] == ["none", every[-1], "none"]
