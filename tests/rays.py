"""Continuous measures whose W1 is known: mass slides along the rays of a potential that is known too.

``FunnelPair`` is the construction of Korotin, Kolesov and Burnaev (2022): the potential
``u(z) = min_n |z - a_n| + b_n`` is 1-Lipschitz and rises at unit speed along the rays from its centres, so that
``u(y) - u(x) = |x - y|`` for every pair on one ray, and moving x to y is optimal whatever the speed.  A sample
therefore proves its own truth: :meth:`Pair.defect` is rounding or the pair is wrong.

Shared by the tests and by ``benchmarks/critic.py``; NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

HALF_SIDE = 2.5  # Q is uniform on [-2.5, 2.5]^d
BLOCK = 4096  # points slid at once
SPEED = 8  # a point at the fraction t of its ray comes from the fraction t^8


@dataclass(frozen=True)
class Pair:
    """Measures P and Q coupled by an optimal map.

    Attributes
    ----------
    name : str
    y : callable (n, rng) -> (n, d), independent samples of Q
    back : callable (n, d) -> (n, d), where the mass that ends at y came from
    potential : callable (k, d) -> (k,), the Kantorovich potential; ``E_P u - E_Q u = W1``
    gradient : callable (k, d) -> (k, d), of the potential
    """

    name: str
    y: Callable[[int, Any], Any]
    back: Callable[[Any], Any]
    potential: Callable[[Any], Any]
    gradient: Callable[[Any], Any]

    def x(self, n: int, rng: Any) -> Any:
        """Independent samples of P."""
        return self.back(self.y(n, rng))

    def couple(self, n: int, rng: Any) -> tuple[Any, Any]:
        """(x, y), (n, d) each: x_i is moved to y_i, and W1(P, Q) = E|x - y|."""
        y = self.y(n, rng)
        return self.back(y), y

    def defect(self, x: Any, y: Any) -> float:
        """Largest ``|u(x) - u(y) - |x - y||``: zero up to rounding proves that the coupling is optimal."""
        return float(np.abs(self.potential(x) - self.potential(y) - np.linalg.norm(x - y, axis=1)).max())


def funnels(d: int, n_funnels: int, seed: int = 0) -> Pair:
    """The benchmark pair: Q uniform on a cube, P what the rays of ``n_funnels`` funnels make of it."""
    rng = np.random.default_rng([d, n_funnels, seed])
    a = rng.uniform(-HALF_SIDE, HALF_SIDE, (n_funnels, d))
    b = 0.1 * rng.normal(size=n_funnels)

    def potential(z: Any) -> Any:
        near = (_distances(z, a) + b).argmin(axis=1)
        return -(np.linalg.norm(z - a[near], axis=1) + b[near])

    def gradient(z: Any) -> Any:
        away = z - a[(_distances(z, a) + b).argmin(axis=1)]
        length = np.linalg.norm(away, axis=1, keepdims=True)
        return -away / np.where(length > 0, length, 1.0)  # t^8 underflows into some centres, where none exists

    def y(n: int, rng: Any) -> Any:
        return rng.uniform(-HALF_SIDE, HALF_SIDE, (n, d))

    def back(y: Any) -> Any:
        return np.concatenate([_slide(y[k : k + BLOCK], a, b) for k in range(0, len(y), BLOCK)])

    return Pair(f"funnels d={d} N={n_funnels}", y, back, potential, gradient)


def _distances(z: Any, a: Any) -> Any:
    """|z_i - a_n| (k, N), to about 1e-7: enough to choose a funnel; values are then taken of the difference itself."""
    squares = (z**2).sum(axis=1)[:, None] + (a**2).sum(axis=1) - 2 * z @ a.T
    return np.sqrt(np.maximum(squares, 0.0))


def _slide(y: Any, a: Any, b: Any) -> Any:
    """x: every y drawn back along its ray, from the fraction t of the ray to the fraction t^8."""
    distance = _distances(y, a)
    near = (distance + b).argmin(axis=1)
    rows = np.arange(len(y))
    v = y - a[near]
    reach = np.linalg.norm(v, axis=1)
    v /= reach[:, None]
    # The ray goes on by s until another funnel is as low, u + s = |y + s v - a_m| + b_m, or the cube ends.
    rise = (reach + b[near])[:, None] - b
    closing = rise - ((y * v).sum(axis=1)[:, None] - v @ a.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        meet = np.where(closing > 0, 0.5 * (distance**2 - rise**2) / closing, np.inf)
        leave = np.where(v != 0, (np.copysign(HALF_SIDE, v) - y) / v, np.inf).min(axis=1)
    meet[rows, near] = np.inf
    t = reach / (reach + np.minimum(meet.min(axis=1), leave))
    return a[near] + (t ** (SPEED - 1) * reach)[:, None] * v


def shift(d: int) -> Pair:
    """A standard normal moved by one unit along (1, ..., 1): u is linear."""
    direction = np.full(d, d**-0.5)

    def y(n: int, rng: Any) -> Any:
        return rng.normal(size=(n, d)) - direction

    def gradient(z: Any) -> Any:
        return np.broadcast_to(direction, z.shape)

    return Pair(f"shift d={d}", y, lambda y: y + direction, lambda z: z @ direction, gradient)


def dilation(d: int, k: int = 8, factor: float | None = None) -> Pair:
    """A normal stretched away from a subspace: u = |z_1..k|, moved radially to make W1 = 1.

    P is ``factor`` times Q in the first k coordinates, so that ``W1 = (factor - 1) E|chi_k|``.
    """
    from math import lgamma

    mean = np.sqrt(2) * np.exp(lgamma((k + 1) / 2) - lgamma(k / 2))  # of the chi distribution
    factor = 1 + 1 / mean if factor is None else factor

    def y(n: int, rng: Any) -> Any:
        return rng.normal(size=(n, d))

    def back(y: Any) -> Any:
        x = y.copy()
        x[:, :k] *= factor
        return x

    def gradient(z: Any) -> Any:
        g = np.zeros_like(z)
        g[:, :k] = z[:, :k] / np.linalg.norm(z[:, :k], axis=1, keepdims=True)
        return g

    return Pair(f"dilation d={d}", y, back, lambda z: np.linalg.norm(z[:, :k], axis=1), gradient)
