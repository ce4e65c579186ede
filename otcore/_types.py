"""Array aliases named for their role; all are float64 unless the name says otherwise."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]  # any float64 array
Weights: TypeAlias = npt.NDArray[np.float64]  # (n,) masses >= 0
Points: TypeAlias = npt.NDArray[np.float64]  # (n, d) coordinates
Potential: TypeAlias = npt.NDArray[np.float64]  # (n,) in cost units
Matrix: TypeAlias = npt.NDArray[np.float64]  # (n, m)
Indices: TypeAlias = npt.NDArray[np.int64]  # (k,) row or column numbers
Unsigned: TypeAlias = npt.NDArray[np.uint32]  # (k,) indices for kernels: see otcore._kernels.simplex
ArrayLike: TypeAlias = npt.ArrayLike
Anything: TypeAlias = Any  # raw user input, before the gate
