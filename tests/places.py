"""Positions on a line that are hard in one way each."""

from __future__ import annotations

import numpy as np


def places(kind, n, rng):
    """n sorted positions."""
    z = {
        "normal": lambda: rng.normal(size=n),
        "ties": lambda: rng.integers(-3, 4, n).astype(float),
        "offset": lambda: 1e8 + rng.normal(size=n),
        "far offset": lambda: 1e12 + rng.integers(0, 40, n) / 8,
        "tiny": lambda: rng.normal(size=n) * 1e-300,
        "huge": lambda: rng.normal(size=n) * 1e150,
        "decades": lambda: rng.normal(size=n) * 10.0 ** rng.integers(-20, 20, n),
    }[kind]()
    return np.sort(z)


KINDS = ["normal", "ties", "offset", "far offset", "tiny", "huge", "decades"]
