"""Every example runs as its first lines say, and draws a picture that is not empty."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

import otcore

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_examples():
    assert {"boxes", "gap_closing", "gradient_flow", "primal_vs_dual", "time_steps"} <= {path.stem for path in EXAMPLES}


def runs(script):
    """The script, marked where it needs torch."""
    if "otcore.neural" not in script.read_text(encoding="utf-8"):
        return script
    missing = importlib.util.find_spec("torch") is None
    return pytest.param(script, marks=[pytest.mark.torch, pytest.mark.skipif(missing, reason="torch is not installed")])


@pytest.mark.parametrize("script", [runs(script) for script in EXAMPLES], ids=[script.stem for script in EXAMPLES])
def test_an_example_saves_its_picture_where_it_is_told(script, tmp_path):
    here = str(Path(otcore.__file__).parents[1])  # the otcore under test, installed or not
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": here}
    ended = subprocess.run(
        [sys.executable, "-W", "error", script, tmp_path], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    pictures = list(tmp_path.glob("*.png"))
    assert [path.stem for path in pictures] == [script.stem]
    assert matplotlib.image.imread(pictures[0]).std() > 0.03


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_on_a_page(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 80
