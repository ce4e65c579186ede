"""The options of a critic: what is refused where it is written, and what is kept as a plain number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from otcore import Critic, InvalidProblemError
from otcore.neural.options import CriticOptions


class Proof:
    """No module, though it has a bound."""

    def lipschitz_bound(self):
        return 1.0

    def __repr__(self):  # as the name of a test it must be the same in every process
        return "Proof()"


WRONG = {
    "lipschitz": ["orthogonl", 3, None, np.array(["auto", "gp"]), object, Proof, Proof()],
    "hidden": [(3,), 5, None, "", "64", (8.0,), (0,), (-2,), [[8]], ("x",), np.array(8),
               np.ones((2, 2), int), (2**40,)],
    "activation": ["tanh", None, 3, np.array(["relu", "maxmin"])],
    "n_funnels": [0, 1.5, "x", None, "many", np.nan, 2**70],
    "side": ["z", 0, None, ["x"]],
    "penalty": [-1, "x", None, np.nan, np.inf, 1e300, 10**400, 1j, [1.0]],
    "clip": [0.0, "x", None, np.nan, np.inf, 1e300, [1.0]],
    "lr": [0.0, -1.0, "x", None, np.nan, np.inf, 1e300, 10**400, [1.0]],
    "batch": [0, 1.5, "x", None, np.inf, 2**70],
    "split": [None, 1, "abc", (0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (0.5, 0.5), (0.8, 0.4, -0.2), ("a", "b", "c"),
              (np.nan, 0.5, 0.5), np.eye(3)],
    "device": [0, None, ["cpu"]],
    "dtype": ["float16", np.float32, None],
    "seed": [1.5, "x", None, np.inf, 2**64, -(2**63) - 1, [1]],
    "max_iter": [0, "x", None, np.inf, 10.0],
    "polish": ["x", 1, None],
    "callback": [3, "x"],
    "progress": ["x", 1, None],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values], ids=repr
)
def test_what_is_wrong_is_refused_where_it_is_written(name, value):
    """Regression: many came up as a TypeError of torch's while solving."""
    with pytest.raises(InvalidProblemError, match=f"(?s)^{name} is .*; expected "):
        Critic(**{name: value})


def test_numbers_of_numpy_and_sequences_are_kept_as_plain_ones():
    """Regression: torch takes no seed of numpy's."""
    plain = Critic(
        hidden=(8, 4), n_funnels=7, penalty=2.0, clip=0.5, lr=0.25, batch=9, split=(0.5, 0.25, 0.25),
        seed=2, max_iter=5, polish=True,
    )  # fmt: skip
    numpys = Critic(
        hidden=np.array([8, 4]), n_funnels=np.int32(7), penalty=np.float32(2), clip=np.float64(0.5),
        lr=np.float16(0.25), batch=np.uint8(9), split=[0.5, 0.25, np.float32(0.25)], seed=np.int64(2),
        max_iter=np.int64(5), polish=np.True_,
    )  # fmt: skip
    assert numpys == plain
    assert (repr(numpys), hash(numpys)) == (repr(plain), hash(plain))
    assert replace(numpys, seed=3).seed == 3
    kinds = [type(getattr(numpys, name)) for name in ("hidden", "n_funnels", "penalty", "seed", "max_iter", "polish")]
    assert kinds == [tuple, int, float, int, int, bool]


def test_the_defaults_and_the_ends_of_the_ranges_pass():
    assert repr(CriticOptions()).startswith("CriticOptions(lipschitz='auto', hidden=(128, 128), activation='maxmin', ")
    ends = {"seed": -(2**63), "lr": 1e30, "penalty": 0, "clip": 1e30, "hidden": (), "n_funnels": 1, "batch": 1}
    options = CriticOptions(**ends, split=(1, 0, 0), max_iter=1)
    assert (options.lr, options.penalty, options.split) == (1e30, 0.0, (1.0, 0.0, 0.0))
    assert CriticOptions(seed=2**64 - 1, max_iter=10**12).seed == 2**64 - 1
