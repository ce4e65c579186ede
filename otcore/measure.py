"""A discrete measure: points and the mass that sits on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otcore._gate import MOST_AXES, as_array, as_weights, eps_of, require_finite
from otcore._types import Array, ArrayLike, Points, Weights
from otcore.errors import ShapeError

__all__ = ["Measure"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Measure:
    """Masses ``weights`` at ``points``; the mass is kept, not normalised.

    Parameters
    ----------
    points : (n,) or (n, d) array_like
        Positions; one-dimensional input is n points on the line, and so is (n, 1).
    weights : (n,) array_like, optional
        Masses, ``>= 0`` and not all zero; default 1 / n each.

    Raises
    ------
    ShapeError, NonFiniteError, NegativeWeightError, InvalidProblemError

    Examples
    --------
    >>> boxes = Measure([1, 2, 3], weights=[3, 1, 2])
    >>> boxes.mass, boxes.dim
    (6.0, 1)
    """

    points: Points
    weights: Weights
    eps: float = field(repr=False)  # of the dtype the weights came in
    lattice: tuple[Array, ...] | None  # coordinates along each axis where the points are all nodes, in C order

    def __init__(self, points: ArrayLike, weights: ArrayLike | None = None) -> None:
        x = as_points(points, "points")
        n = x.shape[0]
        w = _uniform(n) if weights is None else as_weights(weights, "weights")
        if w.size != n:
            raise ShapeError(f"weights has {w.size} entries for {n} points; expected one weight per point")
        vars(self).update(points=x, weights=w, eps=eps_of(weights), lattice=None)

    def __repr__(self) -> str:
        return f"<Measure of {self.size} points in dimension {self.dim}, mass {self.mass:.6g}>"

    @classmethod
    def from_samples(cls, x: Any, name: str = "x") -> Measure:
        """The empirical measure of samples ``x`` (n,) or (n, d): mass 1 / n each.  Errors speak of ``name``."""
        measure, points = object.__new__(cls), as_points(x, name)
        vars(measure).update(points=points, weights=_uniform(len(points)), eps=eps_of(None), lattice=None)
        return measure

    @classmethod
    def from_counts(cls, points: Any, counts: Any) -> Measure:
        """``counts[k]`` units of mass at ``points[k]``; the total mass is the number of counts."""
        return cls(points, counts)

    @classmethod
    def from_histogram(cls, histogram: Any, spacing: float | Any = 1.0, origin: float | Any = 0.0) -> Measure:
        """Bin masses of an image or histogram of any dimension, at the nodes of a lattice.

        Between two of them a cost that is a sum over axes (``sqeuclidean``, order 2, city block) is a
        :class:`GridCost`: passes go axis by axis.

        Parameters
        ----------
        histogram : (n_1, ..., n_d) array_like of masses; bin (k_1, ..., k_d) sits at ``origin + spacing * k``
        spacing, origin : float or (d,) array_like, in units of length

        Examples
        --------
        >>> Measure.from_histogram([[1, 0], [0, 1]], spacing=0.5).points.tolist()
        [[0.0, 0.0], [0.0, 0.5], [0.5, 0.0], [0.5, 0.5]]
        """
        masses = as_array(histogram, "histogram")
        if not 1 <= masses.ndim <= MOST_AXES or masses.size == 0:
            raise ShapeError(f"histogram has shape {masses.shape}; expected at least one bin on 1 to {MOST_AXES} axes")
        step, start = (_per_axis(v, name, masses.ndim) for v, name in ((spacing, "spacing"), (origin, "origin")))
        if not (step > 0).all():
            raise ShapeError(f"spacing is {spacing}; expected positive lengths")
        with np.errstate(over="ignore"):  # such points are refused in words
            axes = tuple(o + h * np.arange(n) for o, h, n in zip(start, step, masses.shape, strict=True))
        measure = cls(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)), masses.reshape(-1))
        vars(measure).update(eps=eps_of(histogram), lattice=axes)
        return measure

    @property
    def size(self) -> int:
        """Number of points n."""
        return int(self.points.shape[0])

    @property
    def dim(self) -> int:
        """Dimension d; 1 on the line."""
        return 1 if self.points.ndim == 1 else int(self.points.shape[1])

    @property
    def mass(self) -> float:
        """Total mass."""
        return float(self.weights.sum())

    def normalized(self) -> Measure:
        """The same measure with mass 1."""
        w = self.weights / self.weights.max()
        measure = Measure(self.points, w / w.sum())
        vars(measure).update(lattice=self.lattice)
        return measure


def as_points(value: Any, name: str) -> Points:
    """Finite coordinates, (n,) on the line or (n, d) with d > 1, C-ordered; a copy the user cannot change."""
    x = as_array(value, name)
    if x.ndim == 0 or x.ndim > 2:
        raise ShapeError(
            f"{name} has shape {x.shape}; expected points, one a row: (n,) or (n, d). "
            "For an image use Measure.from_histogram"
        )
    if x.size == 0:
        raise ShapeError(f"{name} has shape {x.shape}; a measure needs at least one point of dimension at least 1")
    require_finite(x, name)
    x = np.array(x[:, 0] if x.ndim == 2 and x.shape[1] == 1 else x, dtype=np.float64, order="C")
    x.setflags(write=False)
    return x


def _uniform(n: int) -> Weights:
    w = np.full(n, 1.0 / n)
    w.setflags(write=False)
    return w


def _per_axis(value: Any, name: str, d: int) -> Array:
    v = as_array(value, name)
    if v.ndim > 1 or v.size not in (1, d):
        raise ShapeError(f"{name} has shape {v.shape}; expected one number or one per axis, shape ({d},)")
    require_finite(np.atleast_1d(v), name)
    return np.broadcast_to(v, (d,))
