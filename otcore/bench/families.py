"""Point clouds, matrices, words and graphs to race on; also, a few points each, problems of the tests' zoo."""

from __future__ import annotations

from typing import Any

import numpy as np

from otcore._types import Array
from otcore.bench.instance import Arguments, family
from otcore.errors import InvalidProblemError
from otcore.measure import Measure

TAIL = 1.5  # Pareto exponent of heavy-tailed weights: finite mean, infinite variance
WORD_DIMENSION = 50  # of the smallest common word embeddings


def random_weights(rng: Any, n: int) -> Array:
    w = rng.random(n)
    return np.asarray(w / w.sum())


def pareto_weights(rng: Any, n: int) -> Array:
    w = rng.pareto(TAIL, n) + 1.0
    return np.asarray(w / w.sum())


def clouds(rng: Any, n: int, d: int, weights: Any = None) -> tuple[Measure, Measure]:
    """Two clouds of n uniform points in the unit cube of dimension d."""
    x, y = rng.random((n, d)), rng.random((n, d))
    if weights is None:
        return Measure(x), Measure(y)
    return Measure(x, weights(rng, n)), Measure(y, weights(rng, n))


@family("line")
def line(rng: Any, n: int) -> Arguments:
    """Normal samples on the line against shifted ones, equal weights."""
    return Measure(rng.normal(size=n)), Measure(rng.normal(0.5, 1.5, n)), {}


@family("line-weighted")
def line_weighted(rng: Any, n: int) -> Arguments:
    """Normal samples on the line, random weights on both sides."""
    a, b = random_weights(rng, n), random_weights(rng, n)
    return Measure(rng.normal(size=n), a), Measure(rng.normal(0.5, 1.5, n), b), {}


@family("line-order-2")
def line_order_2(rng: Any, n: int) -> Arguments:
    """Normal samples on the line, random weights, squared distance."""
    p, q, _ = line_weighted(rng, n)
    return p, q, {"order": 2}


@family("plane")
def plane(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit square against uniform points, equal weights."""
    return *clouds(rng, n, 2), {}


@family("plane-weighted")
def plane_weighted(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit square, random weights."""
    return *clouds(rng, n, 2, random_weights), {}


@family("plane-pareto")
def plane_pareto(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit square, heavy-tailed weights."""
    return *clouds(rng, n, 2, pareto_weights), {}


@family("plane-order-2")
def plane_order_2(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit square, random weights, squared distance."""
    return *clouds(rng, n, 2, random_weights), {"order": 2}


@family("space")
def space(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit cube of dimension 3, random weights."""
    return *clouds(rng, n, 3, random_weights), {}


@family("dimension-10")
def dimension_10(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit cube of dimension 10, random weights."""
    return *clouds(rng, n, 10, random_weights), {}


@family("dimension-100")
def dimension_100(rng: Any, n: int) -> Arguments:
    """Uniform points in the unit cube of dimension 100, random weights: all distances are nearly equal."""
    return *clouds(rng, n, 100, random_weights), {}


@family("mixture")
def mixture(rng: Any, n: int) -> Arguments:
    """Two mixtures of five Gaussians in the plane, equal weights: mass has to travel between clusters."""

    def sample() -> Array:
        centres, scales = rng.uniform(-5, 5, (5, 2)), rng.uniform(0.1, 1.0, 5)
        k = rng.choice(5, n, p=rng.dirichlet(np.full(5, 2.0)))
        return np.asarray(centres[k] + scales[k, None] * rng.normal(size=(n, 2)))

    return Measure(sample()), Measure(sample()), {}


@family("funnels")
def funnels(rng: Any, n: int) -> Arguments:
    """A critic's benchmark whose truth is known: points of dimension 8 moved towards the nearest of 16 centres.

    The potential ``u(z) = min_k |z - c_k|`` is 1-Lipschitz and falls at unit speed along every move, so that
    W_1 = mean |x - T x| whatever the lengths of the moves.  [Korotin 2022]
    """
    c, x = rng.normal(size=(16, 8)), 2.0 * rng.normal(size=(n, 8))
    near = c[np.linalg.norm(x[:, None] - c, axis=2).argmin(axis=1)]
    return Measure(x), Measure((x + rng.random((n, 1)) * (near - x))[rng.permutation(n)]), {}


@family("digits", "sklearn")
def digits(rng: Any, n: int) -> Arguments:
    """Handwritten digits from scikit-learn's files: images of two different digits, points of dimension 64."""
    from sklearn.datasets import load_digits

    images, label = load_digits(return_X_y=True)
    one, other = (images[label == k] / 16.0 for k in rng.choice(10, 2, replace=False))
    if n > min(len(one), len(other)):
        raise InvalidProblemError(f"there are {min(len(one), len(other))} images of a digit; too few for {n} a side")
    p, q = (Measure(z[rng.choice(len(z), n, replace=False)]) for z in (one, other))
    return p, q, {}


@family("dense")
def dense(rng: Any, n: int) -> Arguments:
    """A matrix of uniform random costs, random weights: no structure to use."""
    return random_weights(rng, n), random_weights(rng, n), {"cost": rng.random((n, n))}


@family("assignment")
def assignment(rng: Any, n: int) -> Arguments:
    """A matrix of uniform random costs, equal weights: an assignment problem."""
    w = np.full(n, 1.0 / n)
    return w, w, {"cost": rng.random((n, n))}


@family("words")
def words(rng: Any, n: int) -> Arguments:
    """Word counts of two texts over one vocabulary: sparse, heavy-tailed, most common words in both.

    Ranks follow Zipf's law, positions are normal, as those of embedded words are to first order.  A text of 4 n
    words over a vocabulary of 4 n leaves about n different ones on each side.
    """
    z = rng.normal(size=(4 * n, WORD_DIMENSION))
    zipf = 1.0 / np.arange(1, 4 * n + 1)
    counts = [rng.multinomial(4 * n, p / p.sum()) for p in (zipf, zipf * rng.uniform(0.2, 5.0, 4 * n))]
    p, q = (Measure(z[c > 0], c[c > 0] / c.sum()) for c in counts)
    return p, q, {}


@family("graph")
def graph(rng: Any, n: int) -> Arguments:
    """Shortest paths in a random geometric graph of n nodes, random weights: a metric that no space carries."""
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import cKDTree

    z = rng.random((n, 2))
    near = min(6, n - 1)
    length, to = cKDTree(z).query(z, near + 1)
    W = np.zeros((n, n))
    W[np.repeat(np.arange(n), near), to[:, 1:].ravel()] = length[:, 1:].ravel()
    W = np.maximum(W, W.T)
    k = np.argsort(z[:, 0])  # a chain from left to right connects every component
    W[k[:-1], k[1:]] = np.maximum(W[k[:-1], k[1:]], np.linalg.norm(z[k[:-1]] - z[k[1:]], axis=1))
    D = dijkstra(W, directed=False)
    return random_weights(rng, n), random_weights(rng, n), {"metric": np.minimum(D, D.T)}
