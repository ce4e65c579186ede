"""Raw input to float64 arrays, or a typed error with argument, index and remedy."""

from __future__ import annotations

import numpy as np
import pytest

from otcore._gate import as_array, as_weights, eps_of, require_finite
from otcore.errors import InvalidProblemError, NegativeWeightError, NonFiniteError, ShapeError


class Tensor:
    """What a torch tensor answers, without torch."""

    def __init__(self, values, dtype):
        self.values, self.dtype = np.asarray(values), dtype

    def detach(self):
        return self

    cpu = resolve_conj = resolve_neg = detach

    def numpy(self):
        return self.values


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float32, np.longdouble, ">f8", "<i2"])
def test_real_numbers_of_every_kind_become_float64(dtype):
    array = as_array(np.array([0, 1, 1], dtype=dtype), "x")
    assert array.dtype == np.float64
    assert array.tolist() == [0.0, 1.0, 1.0]


def test_float64_is_not_copied():
    x = np.random.default_rng(0).random((3, 4))
    assert as_array(x, "x") is x
    assert np.shares_memory(as_array(x.T, "x"), x)


def test_tensors_are_detached():
    tensor = Tensor([1.0, 2.0], "torch.float32")
    assert as_array(tensor, "x").tolist() == [1.0, 2.0]
    assert eps_of(tensor) == 2.0**-23


@pytest.mark.parametrize(
    ("value", "eps"),
    [
        (np.zeros(1, np.float16), 2.0**-10),
        (Tensor([0.0], "torch.bfloat16"), 2.0**-7),
        (np.zeros(1, np.float32), 2.0**-23),
        (np.zeros(1), 2.0**-52),
        (np.zeros(1, np.int64), 2.0**-52),
        ([0.0], 2.0**-52),
    ],
)
def test_eps_is_that_of_the_dtype_the_numbers_came_in(value, eps):
    assert eps_of(value) == eps
    assert getattr(value, "dtype", None) not in (np.float16, np.float32) or np.finfo(value.dtype).eps == eps


def test_sparse_matrices_are_refused_because_zeros_and_forbidden_arcs_look_alike():
    from scipy.sparse import csr_array

    with pytest.raises(InvalidProblemError, match=r"M is a sparse matrix; pass M.toarray\(\)"):
        as_array(csr_array(np.eye(2)), "M")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(0, 0), (1, 2), (2, 3)])
def test_the_first_bad_entry_is_named(bad, where):
    x = np.ones((3, 4))
    x[where] = bad
    x[2, 3] = bad
    with pytest.raises(NonFiniteError, match=rf"x\[{where[0]}, {where[1]}\] is -?(nan|inf)"):
        require_finite(x, "x")
    if bad == np.inf:
        require_finite(x, "x", allow_inf=True)
    else:
        with pytest.raises(NonFiniteError, match=r"forbidden arc"):
            require_finite(x, "x", allow_inf=True)


def test_infinities_of_both_signs_and_sums_that_overflow_do_not_deceive():
    with pytest.raises(NonFiniteError, match=r"x\[1\] is -inf"):
        require_finite(np.array([np.inf, -np.inf]), "x", allow_inf=True)
    require_finite(np.full(9, 1e308), "x")
    require_finite(np.array([1e308, 1e308, np.inf]), "x", allow_inf=True)
    with pytest.raises(NonFiniteError):
        require_finite(np.array([1e308, 1e308, np.nan]), "x", allow_inf=True)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_weights_are_a_flat_read_only_copy(shape):
    given = np.array([1.0, 0.0, 2.0]).reshape(shape)
    w = as_weights(given, "a")
    assert w.tolist() == [1.0, 0.0, 2.0]
    assert not np.shares_memory(w, given)
    assert not w.flags.writeable
    assert given.flags.writeable


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([], ShapeError, "a is empty"),
        (1.0, ShapeError, r"a has shape \(\)"),
        (np.ones((2, 2)), ShapeError, r"a has shape \(2, 2\)"),
        ([1.0, -1e-300], NegativeWeightError, r"a\[1\] is -1e-300"),
        ([0.0, -0.0], NegativeWeightError, "a is all zero"),
        ([np.nan, 1.0], NonFiniteError, r"a\[0\] is nan"),
        ([1.0, np.inf], NonFiniteError, r"a\[1\] is inf"),
        ([1.7e308, 1.7e308], NonFiniteError, "a sums to inf; divide"),
    ],
)
def test_what_is_no_mass_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        as_weights(value, "a")


def test_the_smallest_weight_is_a_weight():
    assert as_weights([0.0, 5e-324], "a").tolist() == [0.0, 5e-324]


def test_tensors_of_any_kind_are_read_or_refused_in_words():
    torch = pytest.importorskip("torch")
    assert as_array(torch.tensor([1.5, 2.0], dtype=torch.bfloat16), "a").tolist() == [1.5, 2.0]
    sparse = torch.tensor([[1.0, 0.0]]).to_sparse()
    for bad in (sparse, torch.empty(2, device="meta"), [torch.ones(2, requires_grad=True)] * 2):
        with pytest.raises(InvalidProblemError, match=r"^a is .* (pass|convert)"):
            as_array(bad, "a")
