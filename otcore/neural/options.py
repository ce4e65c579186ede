"""The options of a critic, readable without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from otcore.errors import InvalidProblemError

__all__ = ["CLASSES", "CriticOptions", "Side"]

Side = Literal["x", "y"]
CLASSES = ("orthogonal", "funnel", "projected", "spectral", "gp", "lp", "clip")


@dataclass(frozen=True)
class CriticOptions:
    """How a critic is built and trained; the fields of ``Critic`` and the keywords of ``w1_critic``.

    Parameters
    ----------
    lipschitz : {"auto", "orthogonal", "funnel", "projected", "spectral", "gp", "lp", "clip"} or torch.nn.Module
        How the critic is kept 1-Lipschitz.  By construction: ``orthogonal`` layers with MaxMin [Anil 2019],
        ``funnel`` ``u(z) = max_k -|z - a_k| - b_k`` [Hartmann 2020], ``projected`` a funnel after a trained
        contraction, ``spectral`` normalisation [Miyato 2018].
        By persuasion, so without a certified constant: gradient penalties ``gp`` [Gulrajani 2017] and the
        one-sided ``lp`` [Petzka 2018], weight clipping ``clip`` [Arjovsky 2017].  ``auto`` races orthogonal, funnel
        and projected critics on a fifth of the steps (200 at least) and trains the best on a validation split; plain
        funnels unless the projected ones of their side are well ahead.
        A module with a method ``lipschitz_bound()`` (a float) maps (n, d) to (n,) or (n, 1); a copy is trained.
    hidden : tuple of int
        Widths of the hidden layers; even, for MaxMin.
    activation : {"maxmin", "fullsort", "relu"}
    n_funnels : int or "auto"
        Centres of a funnel critic: 1024, or the number of training samples if that is less.
    side : {"x", "y"}
        Whether funnels are peaks around samples of x or basins around samples of y; ``auto`` tries both.
    penalty : float
        Weight lambda of ``gp`` and ``lp``, in units of length: ten times the unit of the points, as published,
        whatever their spread.
    clip : float
        Largest absolute value of a parameter under ``clip``, on standardised points.
    lr : float or "auto"
        Adam's first step, in units of the standardised coordinates; it falls to 0 along a cosine.
    batch : int
        Samples a side and step.
    split : (train, validation, test)
        Shares of the samples; below ``20`` samples a side all of them are trained on.
    device : str
        ``"auto"`` is a CUDA device where there is one.
    dtype : {"float32", "float64"}
        Of training; what is reported is always computed in float64.
    seed : int
        Of every random number: on a CPU the same seed gives the same critic.
    max_iter : int
        Training steps.
    polish : bool
        Let the exact engine close the gap, starting from the critic's potentials.
    callback : callable, optional
        Called with each ``Step``; returning False ends the training.
    progress : bool
        Show a progress bar on stderr.
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
        if isinstance(self.lipschitz, str):
            self._require(self.lipschitz in ("auto", *CLASSES), "lipschitz", f"one of auto, {', '.join(CLASSES)}")
        else:
            self._require(
                hasattr(self.lipschitz, "lipschitz_bound"), "lipschitz", "a name or a module with lipschitz_bound()"
            )
        self._require(self.activation in ("maxmin", "fullsort", "relu"), "activation", "maxmin, fullsort or relu")
        self._require(self.dtype in ("float32", "float64"), "dtype", "'float32' or 'float64'")
        self._require(all(width > 0 and width % 2 == 0 for width in self.hidden), "hidden", "even widths")
        self._require(self.n_funnels == "auto" or self.n_funnels >= 1, "n_funnels", "'auto' or a number >= 1")
        self._require(self.lr == "auto" or 0 < self.lr < float("inf"), "lr", "'auto' or a positive step")
        self._require(self.side in ("x", "y"), "side", "'x' or 'y'")
        self._require(self.penalty >= 0 and self.clip > 0, "penalty, clip", "numbers >= 0 and > 0")
        self._require(self.batch >= 1 and self.max_iter >= 1, "batch, max_iter", "numbers >= 1")
        shares = self.split
        self._require(
            len(shares) == 3 and min(shares) >= 0 and shares[0] > 0 and abs(sum(shares) - 1) < 1e-9,
            "split", "three shares >= 0 that sum to 1, the first of them positive",
        )  # fmt: skip

    def _require(self, holds: bool, names: str, expected: str) -> None:
        if not holds:
            came = ", ".join(repr(getattr(self, name)) for name in names.split(", "))
            raise InvalidProblemError(f"{names} is {came}; expected {expected}")
