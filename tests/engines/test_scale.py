"""Past 2^16 nodes and 2^31 pairs: no index overflows, and the answers are known."""

from __future__ import annotations

import numpy as np

import otcore
from otcore._solve import run
from otcore.problem import Problem


def test_a_shifted_lattice_of_more_than_2_to_the_31_pairs():
    """A translation is optimal for every cost that is convex in the difference; equal weights tie everything."""
    side = 220
    z = np.indices((side, side)).reshape(2, -1).T.astype(float)
    n = z.shape[0]
    assert n * n > 2**31 and 2 * n > 2**16
    solution = run(Problem(np.ones(n), np.ones(n), otcore.CloudCost(z, z + 0.25, "euclidean", 2.0)), "network-simplex")
    truth = n / 8  # every point moves by (1/4, 1/4)
    assert solution.certified and solution.lower <= truth <= solution.upper


def test_very_many_points_against_three():
    rng = np.random.default_rng(0)
    cost = otcore.CloudCost(rng.random((70_000, 2)), [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    a, b = rng.random(70_000), np.array([1.0, 2.0, 3.0])
    solution = run(Problem(a / a.sum(), b / b.sum(), cost), "network-simplex")
    assert solution.certified and solution.plan.nnz <= 70_002
    split = np.flatnonzero(np.bincount(solution.plan.i) > 1)
    assert split.size <= 2  # a tree has two rows at most that serve more than one of three
