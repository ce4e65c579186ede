"""The c-transform of the Euclidean distance on a torch device, for more points than a processor takes in good time."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ctransform"]

TILE = 1 << 25  # coordinate differences held at once: 256 MB in float64


@torch.no_grad()
def ctransform(x: Tensor, f: Tensor, y: Tensor) -> Tensor:
    """``g_j = min_i |x_i - y_j| - f_i``: the largest g with ``f_i + g_j <= |x_i - y_j|``, up to rounding.

    Distances are those of the differences themselves, in the dtype given; n x m numbers are never held at once.

    Parameters
    ----------
    x : (n, d) tensor
    f : (n,) tensor, in units of length
    y : (m, d) tensor

    Returns
    -------
    (m,) tensor
    """
    rows = max(1, TILE // x.numel())
    tiles = ((torch.linalg.vector_norm(tile[:, None] - x, dim=-1) - f).amin(dim=1) for tile in y.split(rows))
    return torch.cat(list(tiles))
