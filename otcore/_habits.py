"""What users of POT and SciPy type by habit, answered with the name that is right here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

from otcore.errors import UnknownArgumentError

__all__ = ["HABITS", "answers_habits"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

WEIGHTS = "weights go into otcore.Measure(points, weights)"
POINTS = "the two sets of points are the first two arguments"
STOP = "a solve ends at the gap rtol or after max_seconds, not after a number of iterations"
HABITS: dict[str, str] = {  # argument elsewhere -> what to write here
    "p": "the p of W_p is order=",
    "ord": "the p of W_p is order=",
    "power": "the p of W_p is order=",
    "reg": "regularisation is method=otcore.Sinkhorn(epsilon=...)",
    "epsilon": "regularisation is method=otcore.Sinkhorn(epsilon=...)",
    "eps": "regularisation is method=otcore.Sinkhorn(epsilon=...)",
    "blur": "regularisation is method=otcore.Sinkhorn(epsilon=blur ** order)",
    "u_values": POINTS,
    "v_values": POINTS,
    "X_a": POINTS,
    "X_b": POINTS,
    "x_a": POINTS,
    "x_b": POINTS,
    "u_weights": WEIGHTS,
    "v_weights": WEIGHTS,
    "a": f"{WEIGHTS}; beside a cost matrix they are the first two arguments",
    "b": f"{WEIGHTS}; beside a cost matrix they are the first two arguments",
    "M": "a cost matrix is cost=..., or the third argument of otcore.w1",
    "D": "a distance matrix on one support is metric=...",
    "C": "a cost matrix is cost=..., or the third argument of otcore.w1",
    "numItermax": STOP,
    "numIterMax": STOP,
    "max_iter": STOP,
    "maxiter": STOP,
    "stopThr": "the tolerance is rtol, of the certified gap",
    "tol": "the tolerance is rtol, of the certified gap",
    "threshold": "the tolerance is rtol, of the certified gap",
    "time_limit": "the limit is max_seconds",
    "timeout": "the limit is max_seconds",
    "log": "otcore.solve returns the plan, the potentials and the certificate in one object",
    "return_matrix": "the plan is otcore.solve(...).plan",
    "verbose": "progress=True shows the interval closing",
    "warmstart": "start=... takes a Solution or a Candidate",
    "potentials_init": "start=... takes a Candidate(potentials=(f, g))",
    "numThreads": "solves in several threads run at once; method=otcore.Sinkhorn(threads=...) uses some for one",
    "n_jobs": "for many problems at once pass executor=... to otcore.pairwise",
    "processes": "for many problems at once pass executor=... to otcore.pairwise",
    "normalize": "otcore.Measure(...).normalized() has mass one",
    "solver": "the solver is method=..., one of otcore.methods()",
}
OF_EPSILON = {  # the same, where epsilon is an argument itself
    "reg": "the regularisation is epsilon=",
    "eps": "the regularisation is epsilon=",
    "blur": "epsilon=blur ** order",
    "stopThr": "the marginal error is tol=",
}
HERE_AND_THERE = {  # arguments of some functions here, asked of another
    "cost": "otcore.solve takes cost=..., otcore.w1 costs as its third argument; distances go into metric=...",
}


def answers_habits(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Raise :class:`UnknownArgumentError` with the right name where an argument is known elsewhere, or misspelt."""
    parameters = inspect.signature(function).parameters
    positional = [name for name, v in parameters.items() if v.kind is v.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        twice = positional[: len(args)]  # wasserstein(x, y, p=2): p is the name of x
        for name in kwargs:
            if name in parameters and name not in twice:
                continue
            near = get_close_matches(name, parameters, n=1)
            guess = f"did you mean {near[0]}=?" if near else f"expected {', '.join(parameters)}"
            here = OF_EPSILON if "epsilon" in parameters else HABITS
            hint = here.get(name) or HABITS.get(name) or HERE_AND_THERE.get(name) or guess
            raise UnknownArgumentError(f"{function.__name__} has no argument {name!r} to be named here: {hint}")
        if len(args) > len(positional):
            named = "metric" if "metric" in parameters and "cost" not in parameters else "cost"
            raise UnknownArgumentError(
                f"{function.__name__} takes {len(positional)} arguments without a name ({', '.join(positional)}), but "
                f"{len(args)} came; name the others. {named.capitalize()}s go into {named}=..., {WEIGHTS}"
            )
        return function(*args, **kwargs)

    return call
