"""Raw user input to float64 arrays, or a typed error that names the argument, the index and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from otcore._types import Array
from otcore.errors import InvalidProblemError, NegativeWeightError, NonFiniteError, ShapeError

__all__ = ["MOST_AXES", "as_array", "as_number", "as_power", "as_tolerance", "as_weights", "eps_of", "require_finite"]


MOST_AXES = 16  # of a lattice; NumPy ends at 32


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
    if hasattr(value, "detach"):
        value = _of_tensor(value, name)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} is not a rectangular array: {error}") from None
    except (TypeError, RuntimeError) as error:  # tensors in a list
        raise InvalidProblemError(f"{name} is no array of numbers ({error}); convert it to one first") from None
    if array.dtype.kind not in "biuf":
        raise InvalidProblemError(
            f"{name} has dtype {array.dtype}; expected real numbers (bool, integer or float). "
            f"Convert it first, for example {name}.astype(float)"
        )
    return array.astype(np.float64, copy=False)


def _of_tensor(value: Any, name: str) -> Any:
    """A torch tensor, wherever it lives, as an array; torch itself is not needed."""
    try:
        tensor = value.detach().cpu().resolve_conj().resolve_neg()
        try:
            return tensor.numpy()
        except TypeError:  # bfloat16 and narrower
            return tensor.double().numpy()
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:  # sparse, quantised, without data ...
        raise InvalidProblemError(
            f"{name} is a tensor that NumPy cannot read ({error}); pass a dense one of float64 that holds data"
        ) from None


def as_number(value: Any) -> float:
    """A real number as a float, infinite where it is beyond the floats; nan for anything else."""
    if isinstance(value, (str, bytes)) or value is np.ma.masked or np.ndim(value) > 0:
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except (TypeError, ValueError, RuntimeError):
        return np.nan


def eps_of(value: Any) -> float:
    """Machine epsilon of the user's own dtype (that of float64 for integers and lists)."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype == np.float64:
        return 2.0**-52
    name = str(dtype).rsplit(".", 1)[-1]  # "torch.float32" and "float32" alike
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}.get(name, 2.0**-52)


def require_finite(array: Array, name: str, *, allow_inf: bool = False) -> None:
    """Raise :class:`NonFiniteError` with the first bad index; ``allow_inf`` lets ``+inf`` pass."""
    if array.size == 0 or (array.min() > -np.inf and (allow_inf or array.max() < np.inf)):  # false for nan
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
    power = as_number(value)
    if not 1 <= power < np.inf:
        raise InvalidProblemError(f"{name} is {value!r}; expected a finite number >= 1")
    return power


def as_tolerance(value: Any, name: str) -> float:
    """A gap, or a time: a number >= 0."""
    number = as_number(value)
    if not number >= 0:
        raise InvalidProblemError(f"{name} is {value!r}; expected a number >= 0")
    return number


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
