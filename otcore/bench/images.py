"""Images as measures on a lattice: random classes in the manner of DOTmark, a photograph, files of one's own.

The random classes are drawn anew by the formulas below, so that values do not agree with published ones: only
``dotmark-*``, from files, are DOTmark's own pictures.  Smoothness and range are meant to be those of the paper's table;
scales of densities and shapes are ours.  [Schrieber 2017, section 3]
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from otcore._types import Matrix
from otcore.bench.instance import Arguments, family
from otcore.errors import InvalidProblemError
from otcore.measure import Measure

FLOOR = 1e-3  # of the largest value, so that no class but the shapes has empty pixels


def side(n: int) -> int:
    """Pixels along an edge of an image of about n."""
    return max(2, round(math.sqrt(n)))


def images(first: Matrix, second: Matrix) -> Arguments:
    """Two images as measures of mass 1 on the lattice of the unit square."""
    p, q = (Measure.from_histogram(v / v.sum(), spacing=1.0 / len(v)) for v in (first, second))
    return p, q, {}


def pixels(k: int) -> tuple[Matrix, Matrix]:
    """Coordinates of the pixel centres of a k x k image in the unit square."""
    centres = (np.arange(k) + 0.5) / k
    x, y = np.meshgrid(centres, centres, indexing="ij")
    return x, y


def gaussian_field(rng: Any, k: int, nu: float, gamma: float) -> Matrix:
    """A Gaussian random field of Matern covariance of smoothness nu and range gamma on the unit square, k x k.

    By circulant embedding in a torus of side 4 [Dietrich 1997]; what is left of negative eigenvalues is cut off.
    """
    from scipy.special import gamma as Gamma
    from scipy.special import kv

    step = np.minimum(np.arange(4 * k), 4 * k - np.arange(4 * k)) / k
    r = np.hypot(step[:, None], step) * np.sqrt(2 * nu) / gamma
    r[0, 0] = 1.0  # its covariance is 1, not 0 * inf
    covariance = 2 ** (1 - nu) / Gamma(nu) * r**nu * kv(nu, r)
    covariance[0, 0] = 1.0
    spectrum = np.sqrt(np.maximum(np.fft.fft2(covariance).real, 0.0))
    noise = rng.normal(size=spectrum.shape) + 1j * rng.normal(size=spectrum.shape)
    return np.asarray(np.fft.fft2(spectrum * noise).real[:k, :k] / spectrum.shape[0])


def from_zero(v: Matrix) -> Matrix:
    """Shifted to positive values: a Gaussian field is no density, as it is."""
    v = v - v.min()
    return np.asarray(v + FLOOR * v.max())


@family("white-noise")
def white_noise(rng: Any, n: int) -> Arguments:
    """DOTmark's white noise: independent uniform pixels."""
    k = side(n)
    return images(rng.random((k, k)), rng.random((k, k)))


@family("grf-rough")
def grf_rough(rng: Any, n: int) -> Arguments:
    """DOTmark's rough Gaussian random field: Matern, smoothness 0.25, range 0.05."""
    return images(*(from_zero(gaussian_field(rng, side(n), 0.25, 0.05)) for _ in range(2)))


@family("grf-moderate")
def grf_moderate(rng: Any, n: int) -> Arguments:
    """DOTmark's moderate Gaussian random field: Matern, smoothness 1, range 0.15."""
    return images(*(from_zero(gaussian_field(rng, side(n), 1.0, 0.15)) for _ in range(2)))


@family("grf-smooth")
def grf_smooth(rng: Any, n: int) -> Arguments:
    """DOTmark's smooth Gaussian random field: Matern, smoothness 2.5, range 0.3."""
    return images(*(from_zero(gaussian_field(rng, side(n), 2.5, 0.3)) for _ in range(2)))


@family("log-grf")
def log_grf(rng: Any, n: int) -> Arguments:
    """DOTmark's log-Gaussian field: the exponential of one of smoothness 0.5, range 0.4."""
    return images(*(np.exp(gaussian_field(rng, side(n), 0.5, 0.4)) for _ in range(2)))


@family("logit-grf")
def logit_grf(rng: Any, n: int) -> Arguments:
    """DOTmark's logistic Gaussian field: 1 / (1 + exp(-Z)) of one of smoothness 4.5, range 0.1."""
    return images(*(1.0 / (1.0 + np.exp(-gaussian_field(rng, side(n), 4.5, 0.1))) for _ in range(2)))


@family("cauchy-density")
def cauchy_density(rng: Any, n: int) -> Arguments:
    """DOTmark's Cauchy density: a bivariate one, random centre and random scale ellipse."""

    def draw() -> Matrix:
        x, y = pixels(side(n))
        dx, dy = x - rng.uniform(0.2, 0.8), y - rng.uniform(0.2, 0.8)
        turn, (s, t) = rng.uniform(0, np.pi), rng.uniform(0.05, 0.3, 2)
        u, v = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
        return np.asarray((1.0 + (u / s) ** 2 + (v / t) ** 2) ** -1.5)

    return images(draw(), draw())


@family("shapes")
def shapes(rng: Any, n: int) -> Arguments:
    """DOTmark's shapes: a disk, ring, square or triangle, uniform on it and empty elsewhere."""

    def draw() -> Matrix:
        x, y = pixels(side(n))
        dx, dy = x - rng.uniform(0.35, 0.65), y - rng.uniform(0.35, 0.65)
        r, size = np.hypot(dx, dy), rng.uniform(0.2, 0.35)
        inside = (
            r < size,
            (0.5 * size < r) & (r < size),
            np.maximum(abs(dx), abs(dy)) < size,
            (dx > -size) & (abs(dy) < 0.5 * (size - dx)),
        )
        return np.asarray(inside[rng.integers(4)], dtype=np.float64)

    return images(draw(), draw())


def windows(rng: Any, n: int, grey: Matrix) -> Arguments:
    """Two random square windows of a picture, about n pixels each after averaging, brightness as mass."""
    k = side(n)
    block = min(grey.shape) // (2 * k)
    if block == 0:
        raise InvalidProblemError(f"the picture has {min(grey.shape)} pixels a side; too few for {n} points")

    def window() -> Matrix:
        i, j = (rng.integers(0, edge - block * k + 1) for edge in grey.shape)
        return np.asarray(grey[i : i + block * k, j : j + block * k].reshape(k, block, k, block).sum(axis=(1, 3)))

    return images(window(), window())


@family("photograph")
def photograph(rng: Any, n: int) -> Arguments:
    """Two windows of the photograph that comes with matplotlib, brightness as mass."""
    from matplotlib import cbook, image

    picture = image.imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return windows(rng, n, np.asarray(picture).mean(axis=2) + 1.0)


@family("classic-images", "skimage")
def classic_images(rng: Any, n: int) -> Arguments:
    """DOTmark's classic images: two windows of the cameraman's successor that comes with scikit-image."""
    from skimage import data

    return windows(rng, n, np.asarray(data.camera(), dtype=np.float64) + 1.0)


@family("microscopy", "skimage")
def microscopy(rng: Any, n: int) -> Arguments:
    """DOTmark's microscopy: two windows of the stained tissue that comes with scikit-image, darkness as mass."""
    from skimage import data

    return windows(rng, n, 256.0 - np.asarray(data.immunohistochemistry(), dtype=np.float64).mean(axis=2))


def _from_files(kind: str) -> Any:
    def read(rng: Any, n: int, folder: Path) -> Arguments:
        k = side(n)
        paths = sorted((Path(folder) / kind).glob(f"data{k}_*.csv"))
        if len(paths) < 2:
            raise InvalidProblemError(f"{kind}: two files data{k}_*.csv are needed in the folder given by --data")
        first, second = rng.choice(len(paths), 2, replace=False)
        return images(*(np.loadtxt(paths[i], delimiter=",") for i in (first, second)))

    read.__doc__ = f"Two pictures of DOTmark's class {kind}, from files: --data DIR."
    return read


CLASSES = ("ClassicImages", "MicroscopyImages", "Shapes")
for _kind in CLASSES:
    family(f"dotmark-{_kind}", data=True)(_from_files(_kind))
