"""A small problem in one call, against its steps one by one."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._kernels.small import FEW, ascending, transport
from otcore.costs import DenseCost
from otcore.engines import exact, small
from tests import naive


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_ascending_sorts_to_its_resolution_and_is_stable(size):
    rng = np.random.default_rng(0)
    for values in (rng.random(size), rng.normal(size=size) * 1e-300, np.round(rng.random(size), 1), np.zeros(size)):
        order = ascending(values)
        assert sorted(order.tolist()) == list(range(size))
        steps = np.diff(values[order])
        assert (steps >= -(2.0**-21) * max(values, default=0.0) + 2.0**-21 * min(values, default=0.0)).all()
        assert (np.diff(order)[steps == 0.0] > 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 30), (45, 46), (120, 70), (250, 260)])
@pytest.mark.parametrize("kind", ["random", "ties", "plane", "negative"])
def test_one_call_finds_what_the_steps_find(kind, shape):
    rng = np.random.default_rng(1)
    n, m = shape
    M = {
        "random": lambda: rng.random((n, m)),
        "ties": lambda: np.round(rng.random((n, m)), 1),
        "plane": lambda: ((rng.random((n, 2))[:, None] - rng.random((m, 2))) ** 2).sum(-1),
        "negative": lambda: -1e9 * rng.random((n, m)),
    }[kind]()
    a, b = rng.random(n) ** 4 + 1e-9, 3.0 * rng.random(m)
    cost = DenseCost(M)
    assert small.suits(cost)
    state = small.solve(cost, a, b)
    *_, other = exact._solve(cost, a, b, exact.Start(), True, None)
    assert state.optimal and other.optimal
    scale = np.abs(M).max()
    tolerance = 2.0**-48 * scale * a.sum()
    values = [s.flow @ M[s.basis.i, s.basis.j] for s in (state, other)]
    assert values[0] == pytest.approx(values[1], rel=0, abs=tolerance)
    assert (state.f[:, None] + state.g - M).max() <= 2.0**-48 * scale
    assert (M - state.f[:, None] - state.g)[state.basis.i, state.basis.j] == pytest.approx(0.0, abs=2.0**-46 * scale)
    assert np.bincount(state.basis.i, state.flow, n) == pytest.approx(a, rel=1e-12)
    assert (state.rounds == 0) == (n * m <= FEW)


def test_integers_are_solved_exactly():
    rng = np.random.default_rng(2)
    for n, m in ((1, 1), (3, 5), (6, 4), (5, 420)):
        M, a, b = rng.integers(0, 9, (n, m)), rng.integers(1, 9, n), np.ones(m, np.int64)
        b[-1] += max(a.sum() - m, 0)
        a[-1] += max(m - a.sum(), 0)
        i, j, flow, *_ = transport(1.0 * M, 1.0 * a, 1.0 * b)
        assert flow @ M[i, j] == naive.transport(a.tolist(), b.tolist(), M.tolist())
