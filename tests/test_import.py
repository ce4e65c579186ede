"""``import otcore`` is light: nothing slow is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = ("numba", "torch", "ot", "matplotlib", "scipy.optimize")
LIMIT = 1.0  # CPU seconds, so that a busy machine fails nothing; the goal is 0.3


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "use",
    [
        "",
        "otcore.methods()",
        "otcore.Measure([1, 2, 3])",
        "dir(otcore)",
        "[getattr(otcore, name) for name in otcore.__all__]",
    ],
)
def test_nothing_slow_is_loaded(use):
    loaded = run(f"import sys, otcore\n{use}\nprint([m for m in {SLOW} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_importing_takes_a_fraction_of_a_second(capsys):
    code = "import time; t = time.process_time(); import otcore; otcore.methods(); print(time.process_time() - t)"
    seconds = min(float(run(code)) for _ in range(3))
    with capsys.disabled():
        print(f" import otcore and methods(): {seconds:.2f} s", end="")
    assert seconds < LIMIT


def test_every_public_name_exists_and_is_documented():
    import otcore

    for name in otcore.__all__:
        value = getattr(otcore, name)
        assert name.startswith("__") or value.__doc__, name
    with pytest.raises(AttributeError, match="no_such_name"):
        otcore.no_such_name  # noqa: B018
