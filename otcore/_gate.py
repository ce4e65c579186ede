"""Raw user input to float64 arrays, or a typed error that names the argument, the index and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from otcore._types import Array
from otcore.errors import InvalidProblemError, NegativeWeightError, NonFiniteError, ShapeError

__all__ = ["as_array", "as_power", "as_weights", "eps_of", "require_finite"]


def as_array(value: Any, name: str) -> Array:
    """Any real numeric array-like as float64 (a view where that needs no copy).

    Raises
    ------
    InvalidProblemError
        For masked, sparse, complex, object, string, date and structured input.
    ShapeError
        For ragged nesting.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidProblemError(f"{name} is a masked array; drop the masked entries or fill them first")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise InvalidProblemError(
            f"{name} is a sparse matrix; pass {name}.toarray() (with inf where an arc is forbidden, not 0)"
        )
    if hasattr(value, "detach"):  # a torch tensor, wherever it lives; torch itself is not needed
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} is not a rectangular array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InvalidProblemError(
            f"{name} has dtype {array.dtype}; expected real numbers (bool, integer or float). "
            f"Convert it first, for example {name}.astype(float)"
        )
    return array.astype(np.float64, copy=False)


def eps_of(value: Any) -> float:
    """Machine epsilon of the user's own dtype (that of float64 for integers and lists)."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype == np.float64:
        return 2.0**-52
    name = str(dtype).rsplit(".", 1)[-1]  # "torch.float32" and "float32" alike
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}.get(name, 2.0**-52)


def require_finite(array: Array, name: str, *, allow_inf: bool = False) -> None:
    """Raise :class:`NonFiniteError` with the first bad index; ``allow_inf`` lets ``+inf`` pass."""
    # The sum is finite exactly when all entries are, up to overflow: one fast pass for good input.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return
    bad = np.isnan(array) | np.isneginf(array) if allow_inf else ~np.isfinite(array)
    if bad.any():
        index = np.unravel_index(int(np.argmax(bad)), array.shape)
        where = ", ".join(str(int(k)) for k in index)
        rule = "+inf marks a forbidden arc, -inf and nan mean nothing here"
        what = rule if allow_inf else "all entries must be finite"
        raise NonFiniteError(f"{name}[{where}] is {array[index]}; {what}. Remove or replace the entry")


def as_power(value: Any, name: str) -> float:
    """The power of a distance: a finite number >= 1."""
    try:
        power = float(value)
    except (TypeError, ValueError):
        power = np.nan
    if not 1 <= power < np.inf:
        raise InvalidProblemError(f"{name} is {value!r}; expected a finite number >= 1")
    return power


def as_weights(value: Any, name: str) -> Array:
    """Masses (n,), finite, not negative, not all zero; a column (n, 1) or a row (1, n) is flattened.  A copy."""
    w = as_array(value, name)
    if w.ndim == 2 and 1 in w.shape:
        w = w.reshape(-1)
    if w.ndim != 1:
        raise ShapeError(f"{name} has shape {w.shape}; expected one weight per point, shape (n,)")
    if w.size == 0:
        raise ShapeError(f"{name} is empty; a measure needs at least one point")
    least, top = float(w.min()), float(w.max())
    if not (least >= 0 and top < np.inf):
        require_finite(w, name)
        k = int(np.argmax(w < 0))
        raise NegativeWeightError(f"{name}[{k}] is {w[k]}; weights are masses and must be >= 0")
    if top == 0:
        raise NegativeWeightError(f"{name} is all zero; a measure needs some mass")
    if top * w.size == np.inf:
        with np.errstate(over="ignore"):
            total = w.sum()
        if total == np.inf:
            raise NonFiniteError(f"{name} sums to inf; divide the weights by {top:g} first")
    w = np.array(w, dtype=np.float64, order="C")
    w.setflags(write=False)
    return w
