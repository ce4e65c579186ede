"""Threads, processes and repeated runs give the same bits."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import otcore

ROOT = Path(otcore.__file__).parents[1]
METHODS = ["line", "dual", "emd", "sinkhorn"]  # HiGHS's simplex, behind linprog, promises nothing


def problem(seed, method):
    rng = np.random.default_rng(seed)
    shape = (60 + seed,) if method == "line" else (25 + seed, 2)
    return rng.normal(size=shape), rng.normal(size=shape), {"method": method, "order": 1 + seed % 2}


def bits(job):
    """Everything that a certificate says, as bytes."""
    x, y, options = problem(*job)
    c = otcore.solve(x, y, **options).certificate
    return np.array([c.lower, c.upper]).tobytes() + c.f.tobytes() + c.g.tobytes() + plan_bytes(c.plan)


def plan_bytes(plan):
    parts = (plan.i, plan.j, plan.mass, plan.mass_low) if hasattr(plan, "mass") else (plan.f, plan.g)
    return b"".join(part.tobytes() for part in parts)


JOBS = [(seed, method) for seed in range(4) for method in METHODS]


@pytest.fixture(scope="module")
def alone():
    return [bits(job) for job in JOBS]


def test_a_second_run_gives_the_same_bits(alone):
    assert [bits(job) for job in JOBS] == alone


def test_eight_threads_give_the_same_bits_as_one(alone):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(bits, JOBS)) == alone


def test_threads_share_one_cost():
    """What a cost computes on demand and keeps (orders, boxes, transposes) may be computed by two threads at once."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 2))
    cost, w = otcore.CloudCost(x, y), np.full(40, 1 / 40)
    fresh = [otcore.Problem(w, w, cost) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda p: otcore.w1(p.a, p.b, p.cost), fresh))
    assert len(set(values)) == 1


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_give_the_same_bits(alone, how):
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {how} here")
    script = (
        f"import multiprocessing, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_threads as t\n"
        "if __name__ == '__main__':\n"
        "    t.bits(t.JOBS[0])\n"  # the parent has used the library, threads and all, before it forks
        f"    with multiprocessing.get_context({how!r}).Pool(2) as pool:\n"
        f"        answers = pool.map(t.bits, t.JOBS[:{len(METHODS)}])\n"
        "    import hashlib; print(hashlib.sha256(b''.join(answers)).hexdigest())\n"
    )
    assert run_python(script).strip() == hashlib.sha256(b"".join(alone[: len(METHODS)])).hexdigest()


def run_python(script, cwd=None, **environment):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", script],
        cwd=cwd, capture_output=True, text=True, check=False,
        timeout=300, env=os.environ | {"PYTHONPATH": path} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


SMALL = "import otcore; print(otcore.wasserstein([0.0, 1.0], [5.0, 6.0]))"


@pytest.mark.long
def test_two_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path):
    """An empty cache folder, which both fill."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_python, SMALL, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
        assert [run.result().strip() for run in runs] == ["5.0", "5.0"]
    assert run_python(SMALL, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "5.0"


READ_ONLY = """
import numba.core.caching as caching
def refuse(self):
    raise OSError(30, "Read-only file system")
for name in dir(caching):
    if name.endswith("CacheLocator") and name not in ("_CacheLocator", "UserProvidedCacheLocator"):
        getattr(caching, name).ensure_cache_path = refuse
"""


@pytest.mark.long
def test_nowhere_to_cache_kernels_is_no_reason_to_fail():
    """A container with a read-only installation and no home folder: numba refuses ``cache=True`` there."""
    assert run_python(READ_ONLY + SMALL, NUMBA_CACHE_DIR="").strip() == "5.0"
