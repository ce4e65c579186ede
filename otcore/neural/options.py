"""The options of a critic, readable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from otcore.errors import InvalidProblemError

__all__ = ["CLASSES", "CriticOptions", "Side", "real", "require", "whole"]

Side = Literal["x", "y"]
CLASSES = ("orthogonal", "funnel", "projected", "spectral", "gp", "lp", "clip")
CHOICES = {"activation": ("maxmin", "fullsort", "relu"), "side": ("x", "y"), "dtype": ("float32", "float64")}
LARGEST = 1e30  # of what training multiplies by: float32 ends at 3e38
MOST = 2**31 - 1  # of what lies in memory
SEEDS = -(2**63), 2**64 - 1  # that torch takes


@dataclass(frozen=True)
class CriticOptions:
    """How a critic is built and trained; the fields of ``Critic`` and the keywords of ``w1_critic``.

    Numbers may be numpy's, and sequences lists or arrays; they are kept as ``int``, ``float`` and ``tuple``.

    Parameters
    ----------
    lipschitz : {"auto", "orthogonal", "funnel", "projected", "spectral", "gp", "lp", "clip"} or torch.nn.Module
        How the critic is kept 1-Lipschitz.  By construction: ``orthogonal`` layers with MaxMin [Anil 2019],
        ``funnel`` ``u(z) = max_k -|z - a_k| - b_k`` [Hartmann 2020], ``projected`` a funnel after a trained
        contraction, ``spectral`` normalisation [Miyato 2018].
        By persuasion, so without a certified constant: gradient penalties ``gp`` [Gulrajani 2017] and the
        one-sided ``lp`` [Petzka 2018], weight clipping ``clip`` [Arjovsky 2017].  ``auto`` races short trainings,
        an orthogonal critic of a fifth of the steps (200 at least) and funnels, plain and projected, of twice as many
        but fewer centres, and trains the best on a validation split; projected ones only if well ahead of plain ones.
        A module with a method ``lipschitz_bound()`` (a float) maps (n, d) to (n,) or (n, 1); a copy is trained.
    hidden : sequence of int
        Widths of the hidden layers; even, for MaxMin.
    activation : {"maxmin", "fullsort", "relu"}
    n_funnels : int >= 1 or "auto"
        Centres of a funnel critic: 1024, or the number of training samples if that is less.
    side : {"x", "y"}
        Whether funnels are peaks around samples of x or basins around samples of y; ``auto`` tries both.
    penalty : float >= 0
        Weight lambda of ``gp`` and ``lp``, in units of length: ten times the unit of the points, as published,
        whatever their spread.
    clip : float > 0
        Largest absolute value of a parameter under ``clip``, on standardised points.
    lr : float > 0 or "auto"
        Adam's first step, in units of the standardised coordinates; it falls to 0 along a cosine.
    batch : int >= 1
        Samples a side and step.
    split : (train, validation, test)
        Shares of the samples; below ``20`` samples a side all of them are trained on.
    device : str or torch.device
        ``"auto"`` is a CUDA device where there is one.  Looked for when it is used.
    dtype : {"float32", "float64"}
        Of training; what is reported is always computed in float64.
    seed : int, from -2^63 to 2^64 - 1
        Of every random number: on a CPU the same seed gives the same critic.
    max_iter : int >= 1
        Training steps.
    polish : bool
        Let the exact engine close the gap, starting from the critic's potentials.
    callback : callable, optional
        Called with each ``Step``; returning False ends the training.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    InvalidProblemError
        For a value of the wrong kind or size.
    """

    lipschitz: str | Any = "auto"
    hidden: tuple[int, ...] = (128, 128)
    activation: Literal["maxmin", "fullsort", "relu"] = "maxmin"
    n_funnels: int | Literal["auto"] = "auto"
    side: Side = "x"
    penalty: float = 10.0
    clip: float = 0.04
    lr: float | Literal["auto"] = "auto"
    batch: int = 1024
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    device: str = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    seed: int = 0
    max_iter: int = 1000
    polish: bool = False
    callback: Callable[[Any], bool | None] | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        known, own = ("auto", *CLASSES), self.lipschitz
        if isinstance(own, str):
            require("lipschitz", own, own in known, f"one of {', '.join(known)}")
        else:
            fits = not isinstance(own, type) and hasattr(own, "lipschitz_bound") and hasattr(own, "state_dict")
            require("lipschitz", own, fits, "a name or a module with lipschitz_bound()")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            require(name, value, isinstance(value, str) and value in choices, " or ".join(map(repr, choices)))
        self._keep("hidden", _each(self.hidden, _even), "a sequence of even widths, such as (128, 128)")
        self._keep("n_funnels", _auto(self.n_funnels, whole), "'auto' or a whole number from 1 to 2^31 - 1")
        self._keep("penalty", real(self.penalty), f"a number from 0 to {LARGEST:g}")
        self._keep("clip", real(self.clip) or None, f"a positive number up to {LARGEST:g}")
        self._keep("lr", _auto(self.lr, real) or None, f"'auto' or a positive step up to {LARGEST:g}")
        self._keep("batch", whole(self.batch), "a whole number from 1 to 2^31 - 1")
        self._keep("max_iter", whole(self.max_iter, most=np.inf), "a whole number >= 1")
        shares = _each(self.split, real)
        sums = shares is not None and len(shares) == 3 and shares[0] > 0 and abs(sum(shares) - 1) < 1e-9
        self._keep("split", shares if sums else None, "three shares >= 0 that sum to 1, the first of them positive")
        named = isinstance(self.device, str) or type(self.device).__name__ == "device"  # torch's
        self._keep("device", str(self.device) if named else None, "'auto', 'cpu' or another of torch's names")
        self._keep("seed", whole(self.seed, *SEEDS), "a whole number from -2^63 to 2^64 - 1")
        for name in ("polish", "progress"):
            value = getattr(self, name)
            self._keep(name, bool(value) if isinstance(value, bool | np.bool_) else None, "True or False")
        require("callback", self.callback, self.callback is None or callable(self.callback), "a function of a Step")

    def _keep(self, name: str, value: Any, expected: str) -> None:
        """An option as it was converted; None where it could not be."""
        require(name, getattr(self, name), value is not None, expected)
        object.__setattr__(self, name, value)


def require(name: str, came: Any, holds: bool, expected: str) -> None:
    """Raise :class:`InvalidProblemError` with the name of an argument, what came and what was expected."""
    if not holds:
        raise InvalidProblemError(f"{name} is {came!r}; expected {expected}")


def whole(value: Any, least: int = 1, most: float = MOST) -> int | None:
    """A whole number between two others as ``int``, or None."""
    return int(value) if isinstance(value, Integral) and least <= int(value) <= most else None


def real(value: Any, most: float = LARGEST) -> float | None:
    """A number from 0 to another as ``float``, or None."""
    try:
        number = float(value) if isinstance(value, Real) else np.nan
    except OverflowError:  # of a large int
        return None
    return number if 0 <= number <= most else None


def _even(value: Any) -> int | None:
    width = whole(value)
    return None if width is None or width % 2 else width


def _auto(value: Any, convert: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, str) and value == "auto" else convert(value)


def _each(values: Any, convert: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """Every entry converted, or None where that cannot be."""
    try:
        kept = None if isinstance(values, str) else tuple(map(convert, values))
    except TypeError:  # not a sequence
        return None
    return None if kept is None or None in kept else kept
