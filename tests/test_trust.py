"""The table of the page "Can I trust this number?" is what its script finds, as far as otcore is concerned."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trust():
    spec = importlib.util.spec_from_file_location("trust", ROOT / "benchmarks" / "trust.py")
    module = importlib.util.module_from_spec(spec)
    kept = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = kept
    return module


def test_every_interval_contains_the_truth_and_what_means_nothing_is_refused(trust):
    rows = list(trust.rows())
    assert len(rows) > 15
    for row in rows:
        mine = trust.ours(row.ours, row.truth)  # raises where the truth is not in the interval
        assert ("Error" in mine) is (row.truth is None), row.what
        assert row.what in PAGE, f"run benchmarks/trust.py --markdown again: {row.what}"


@pytest.mark.filterwarnings("ignore")
def test_the_peers_still_fail_without_a_word(trust):
    """When a peer is mended the page should say so."""
    answers = {(row.what, peer): text for row, _, peers in trust.table() for peer, text in peers.items()}
    silent = [text for text in answers.values() if "silent" in text and "**" in text]
    assert len(silent) >= 10
    for (what, peer), text in answers.items():
        assert f"| {peer} |" in PAGE and what in PAGE, text
