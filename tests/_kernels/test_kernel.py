"""Kernels that are interpreted while that is quicker: the same bits, and compiled as soon as it pays."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from otcore._kernels import _kernel, lanes
from otcore._kernels._kernel import interpreted, kernel, linear
from otcore._kernels.exp2 import exp2, exp2_short, exp2_single
from otcore._kernels.sums import fma

# Small questions to the kernels that may be interpreted: the bits of the answers.
QUESTIONS = """
import itertools
import numpy as np
import otcore
from otcore._kernels import simplex

def weights(n):
    w = rng.random(n) ** 4
    return w / w.sum()

def answer(*measures, **options):
    s = otcore.solve(*measures, **options)
    parts = s.lower, s.upper, s.f, s.g, s.plan.i, s.plan.j, s.plan.mass, s.plan.mass_low
    print(" ".join(np.asarray(part).tobytes().hex() for part in parts))

rng = np.random.default_rng(0)
for n, m in ((1, 3), (7, 7), (60, 45), (80, 70)):
    M = rng.random((n, m))
    answer(weights(n), weights(m), cost=M)
    answer(np.full(n, 1 / n), np.full(m, 1 / m), cost=np.round(M, 1))
    M[rng.random((n, m)) < 0.3] = np.inf
    M[0], M[:, 0] = 1.0, 2.0
    answer(weights(n), weights(m), cost=M)
for d, metric in itertools.product((1, 2, 3, 5), ("euclidean", "cityblock", "chebyshev")):
    x = otcore.Measure(rng.normal(size=(50, d)), weights(50))
    y = otcore.Measure(np.round(rng.normal(size=(60, d)), 1), weights(60))
    for order in (1, 2, 2.5):
        answer(x, y, metric=metric, order=order)
x = rng.normal(size=(550, 2))
answer(x[:250], x[250:])
answer(weights(250), weights(300), cost=rng.random((250, 300)))
print(simplex.pivots.signatures)
"""


def test_interpreted_kernels_give_the_same_bits(tmp_path):
    apart = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DEBUG_CACHE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS], env=os.environ | apart, capture_output=True, text=True, check=True
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(QUESTIONS, {})
    *answers, compiled = done.stdout.splitlines()
    *expected, others = printed.getvalue().splitlines()
    assert len(answers) == 50
    assert answers == expected
    assert compiled == "[]" != others
    assert not list(tmp_path.rglob("*.nbi"))


reals = st.floats(allow_nan=False)


@given(reals, reals, reals)
@example(0.1, 10.0, -1.0)
@example(1e308, 10.0, -math.inf)
@example(5e-324, 0.5, 5e-324)
def test_fused_products_of_the_interpreter(x, y, z):
    bits = np.array([njit_fma(x, y, z), interpreted(fma)(x, y, z)]).view(np.int64)
    assert bits[0] == bits[1] or np.isnan(bits.view(float)).all()
    x, y, z = (np.float32(np.clip(v, -3e38, 3e38)) for v in (x, y, z))
    single, twin = njit_fma(x, y, z), interpreted(fma)(x, y, z)
    assert isinstance(twin, np.float32)
    assert single == twin or np.isnan([single, twin]).all()


@njit
def njit_fma(x, y, z):
    return fma(x, y, z)


@given(st.floats(-1200, 1200))
@example(-math.inf)
@example(-1023.0)
def test_powers_of_two_of_the_interpreter(t):
    assert exp2(t) == interpreted(exp2)(t)
    assert exp2_short(t) == interpreted(exp2_short)(t)
    assert exp2_single(np.float32(t)) == interpreted(exp2_single)(np.float32(t))


@pytest.mark.parametrize("size", [0, 7, 8, 9, 40])
def test_products_of_the_interpreter_differ_in_the_order_of_summation_only(size):
    k, v = np.arange(4 * size, dtype=np.float64).reshape(4, size), np.arange(size, dtype=np.float64)
    assert lanes.four_products(*k, v) == interpreted(lanes.four_products)(*k, v)


@pytest.fixture
def patient(monkeypatch):
    """As it is outside of the tests."""
    monkeypatch.setattr(_kernel.Kernel, "byte", _kernel.BYTE)
    monkeypatch.setattr(_kernel.Kernel, "loaded", False)


def fresh(**options):
    """A kernel that nobody has compiled yet."""

    @kernel(cache=False, **options)
    def total(x):
        s = 0.0
        for k in range(x.size):
            s += x[k]
        return s

    return total


def test_little_work_is_interpreted_and_much_is_compiled(patient):
    total = fresh(work=linear)
    assert total(np.arange(5.0)) == 10.0
    assert total.signatures == []
    assert total(np.ones(1 << 20)) == 1 << 20
    assert len(total.signatures) == 1
    assert total(np.arange(5.0)) == 10.0


def test_a_kernel_is_compiled_when_interpreting_it_has_taken_as_long(patient, monkeypatch):
    total, calls = fresh(work=lambda x: 0), 0
    x = np.ones(20_000)
    monkeypatch.setattr(_kernel, "LOADING", 0.0)
    while not total.signatures:
        assert total(x) == x.size
        calls += 1
    assert calls > 2
    assert total.spent > total.byte * total.length > 0.0


@kernel(work=linear)
def _part(x):
    return x.size + 1.0


@kernel(work=linear)
def _whole(x):
    return _part(x) + _part(x[1:])


LATER = """
import sys
import numpy as np
from otcore._kernels import _kernel, tree
_kernel.LOADING = -1.0  # not worth a thought
for _ in range(int(sys.argv[1])):
    assert tree.total(np.ones(5000, np.int64), np.ones(5000, np.int64)) == (5000, 5000)
print(len(tree.total.signatures))
"""


def test_time_in_the_interpreter_is_remembered_by_later_processes(tmp_path):
    def compiled(calls):
        done = subprocess.run(
            [sys.executable, "-c", LATER, str(calls)],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert compiled(1) == 0
    (ledger,) = tmp_path.rglob("interpreted.json")
    (name,) = json.loads(ledger.read_text())
    assert name.startswith("otcore._kernels.tree.total of ")
    ledger.write_text(json.dumps({name: 9.0}))
    assert compiled(1) == 1
    for file in tmp_path.rglob("*.nb?"):
        file.unlink()
    ledger.write_text("{")  # another process was at it
    assert compiled(1) == 0
    assert list(json.loads(ledger.read_text())) == [name]


def test_the_price_of_a_kernel_is_that_of_all_it_calls():
    part, whole = (len(k.py_func.__code__.co_code) for k in (_part, _whole))
    assert [k.length for k in (_part, _whole)] == [part, part + whole]


UNLOADED = """
import sys
import otcore
print(otcore.w1([0.5, 0.5], [0.25, 0.75], [[0.0, 1.0], [1.0, 0.0]]))
print("numba" in sys.modules)
otcore.warmup()
print("numba" in sys.modules)
"""


def test_a_small_question_does_not_even_import_numba():
    done = subprocess.run([sys.executable, "-c", UNLOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.25", "False", "True"]


def test_a_kernel_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(exp2)) is exp2


def test_without_a_measure_of_its_work_a_kernel_is_compiled(patient):
    total = fresh()
    assert total(np.arange(5.0)) == 10.0
    assert len(total.signatures) == 1


def test_nothing_is_interpreted_inside_compiled(patient):
    total = fresh(work=linear)
    with _kernel.compiled():
        total(np.ones(3))
    assert len(total.signatures) == 1
    total = fresh(work=linear)
    total(np.ones(3))
    assert total.signatures == []


def test_what_a_thread_compiles_another_may_interpret(patient):
    inner = fresh(work=linear)

    @kernel(cache=False)
    def outer(x):
        return inner(x) + 1.0

    sums, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            sums.append(inner(np.ones(7)))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert outer(np.ones(5)) == 6.0
    stop.set()
    for thread in threads:
        thread.join()
    assert set(sums) == {7.0}
    assert len(inner.signatures) == 1
