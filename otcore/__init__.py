"""otcore: optimal transport whose every answer is an interval that provably contains the truth."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otcore._api import solve, w1, wasserstein
    from otcore._pairwise import DistanceMatrix, pairwise
    from otcore._warmup import warmup
    from otcore.costs import CloudCost, Cost, DenseCost, GridCost, LineCost
    from otcore.divergences import SinkhornDivergence, sinkhorn_divergence
    from otcore.errors import (
        InfeasibleError,
        InvalidProblemError,
        MassMismatchError,
        MissingDependencyError,
        NegativeWeightError,
        NonFiniteError,
        NotCertifiedError,
        OTError,
        ProblemTooLargeError,
        ShapeError,
        UnknownArgumentError,
        UnknownMethodError,
        UnsupportedProblemError,
    )
    from otcore.measure import Measure
    from otcore.plans import GibbsPlan, SparsePlan
    from otcore.problem import Problem, marginal_matrix
    from otcore.solution import Candidate, Certificate, Solution, Status
    from otcore.solvers import methods
    from otcore.solvers.critic import Critic
    from otcore.solvers.sinkhorn import Sinkhorn

__version__ = "0.1.0"

_HOMES = {  # public name -> module, imported on first use (PEP 562)
    "otcore._api": ("solve", "w1", "wasserstein"),
    "otcore._pairwise": ("DistanceMatrix", "pairwise"),
    "otcore._warmup": ("warmup",),
    "otcore.costs": ("CloudCost", "Cost", "DenseCost", "GridCost", "LineCost"),
    "otcore.divergences": ("SinkhornDivergence", "sinkhorn_divergence"),
    "otcore.errors": (
        "InfeasibleError", "InvalidProblemError", "MassMismatchError", "MissingDependencyError",
        "NegativeWeightError", "NonFiniteError", "NotCertifiedError", "OTError", "ProblemTooLargeError",
        "ShapeError", "UnknownArgumentError", "UnknownMethodError", "UnsupportedProblemError",
    ),
    "otcore.measure": ("Measure",),
    "otcore.plans": ("GibbsPlan", "SparsePlan"),
    "otcore.problem": ("Problem", "marginal_matrix"),
    "otcore.solution": ("Candidate", "Certificate", "Solution", "Status"),
    "otcore.solvers": ("methods",),
    "otcore.solvers.critic": ("Critic",),
    "otcore.solvers.sinkhorn": ("Sinkhorn",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Candidate",
    "Certificate",
    "CloudCost",
    "Cost",
    "Critic",
    "DenseCost",
    "DistanceMatrix",
    "GibbsPlan",
    "GridCost",
    "InfeasibleError",
    "InvalidProblemError",
    "LineCost",
    "MassMismatchError",
    "Measure",
    "MissingDependencyError",
    "NegativeWeightError",
    "NonFiniteError",
    "NotCertifiedError",
    "OTError",
    "Problem",
    "ProblemTooLargeError",
    "ShapeError",
    "Sinkhorn",
    "SinkhornDivergence",
    "Solution",
    "SparsePlan",
    "Status",
    "UnknownArgumentError",
    "UnknownMethodError",
    "UnsupportedProblemError",
    "__version__",
    "marginal_matrix",
    "methods",
    "pairwise",
    "sinkhorn_divergence",
    "solve",
    "w1",
    "warmup",
    "wasserstein",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'otcore' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
