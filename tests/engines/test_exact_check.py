"""A short run of ``benchmarks/exact_check.py``: one problem of each kind against HiGHS and ``ot.emd``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("ot")
PATH = Path(__file__).parents[2] / "benchmarks" / "exact_check.py"


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("exact_check", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(10))
def test_the_engine_agrees_with_two_others(check, seed):
    found = check.differences(check.instance(seed, largest=30))
    assert "ot.emd" in found and max(found.values()) <= check.AGREE
