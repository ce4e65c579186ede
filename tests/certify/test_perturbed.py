"""Forbidden arcs that block a rounding error of mass: an interval for perturbed weights, which says so."""

from __future__ import annotations

import numpy as np
import pytest

import otcore

INF, ULP = np.inf, 2.0**-52
A, B = np.array([1.5, 0.5]), np.array([1.5 - ULP, 0.5 + ULP])  # equal sums; one ulp of mass cannot move straight
PATTERNS = {
    "two separate arcs": [[1, INF], [INF, 1]],
    "a path that would carry a negative flow": [[1, INF], [1, 1]],
    "a path that carries it": [[1, 1], [INF, 1]],
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("method", [m.name for m in otcore.methods() if not m.needs and m.available])
@pytest.mark.parametrize("swapped", [False, True])
def test_an_ulp_of_mass_that_cannot_move_is_given_up_and_noted(pattern, method, swapped):
    """Each of these ended in an AssertionError: no plan at all was left."""
    M = np.array(PATTERNS[pattern])
    a, b, M = (B, A, M.T) if swapped else (A, B, M)
    solution = otcore.solve(a, b, cost=M, method=method)
    assert solution.certified and solution.value == pytest.approx(2.0, abs=4 * ULP)
    blocked = pattern != "a path that carries it"
    assert any("perturbed" in note for note in solution.certificate.notes) is blocked
    for exact in (False, True):
        assert solution.certificate.verify(exact=exact), str(solution.certificate.verify(exact=exact))


def test_more_than_rounding_is_infeasible():
    with pytest.raises(otcore.InfeasibleError, match="0"):
        otcore.solve([1.5, 0.5], [1.5 - 1e-14, 0.5 + 1e-14], cost=PATTERNS["two separate arcs"])


def test_many_components_give_up_an_ulp_each():
    rng = np.random.default_rng(0)
    a = rng.random(40)
    b = np.nextafter(a, rng.choice([0.0, 1.0], 40))
    M = np.where(np.eye(40) > 0, rng.random((40, 40)), INF)
    solution = otcore.solve(a, b, cost=M)
    assert solution.certificate.verify(exact=True), str(solution.certificate.verify())
    assert solution.value == pytest.approx(float(a @ M.diagonal()), rel=1e-13)
