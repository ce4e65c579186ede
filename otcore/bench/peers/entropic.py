"""Entropic peers besides POT: OTT-JAX and GeomLoss, in double precision."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from otcore.bench.contestant import Answer
from otcore.bench.peers._entry import ITERATIONS, anything, dense, ground, peer, points_in_space, weights
from otcore.plans import GibbsPlan
from otcore.problem import Problem
from otcore.solution import Candidate


def _ott(share: float, problem: Problem, rtol: float) -> Answer:
    """OTT-JAX's Sinkhorn in double precision, on a matrix."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem

    jax.config.update("jax_enable_x64", True)
    (a, b), M = weights(problem), jax.numpy.asarray(dense(problem, 60))
    epsilon = share * rtol * float(a @ np.asarray(M) @ b)
    out = _ott_solver(rtol / 10)(LinearProblem(Geometry(cost_matrix=M, epsilon=epsilon), a=a, b=b))
    with np.errstate(divide="ignore"):  # OTT: P = exp((f + g - M) / epsilon); ours carries a_i b_j in front
        f, g = (np.asarray(h) - epsilon * np.log(w) for h, w in ((out.f, a), (out.g, b)))
    plan = GibbsPlan(f, g, epsilon, problem.a, problem.b, problem.cost)
    return Answer(Candidate(plan, (f, g)), float(out.primal_cost))


@cache
def _ott_solver(threshold: float) -> Any:
    """One compiled function for all rounds: compiling is not what is timed."""
    import jax
    from ott.solvers.linear.sinkhorn import Sinkhorn

    return jax.jit(Sinkhorn(threshold=threshold, max_iterations=ITERATIONS))


for _suffix, _share in (("", 1.0), ("/4", 0.25)):
    peer(f"ott:sinkhorn{_suffix}", anything, "jax", "ott")(partial(_ott, _share))


def squared_or_plain(problem: Problem) -> bool:
    """A cloud whose cost GeomLoss knows: |x - y| or |x - y|^2."""
    return points_in_space(problem) and ground(problem)[0] == "euclidean"


def _geomloss(share: float, problem: Problem, rtol: float) -> Answer:
    """GeomLoss's annealed Sinkhorn on points: it stops where its schedule ends, whose ratio of blurs is 1 - rtol."""
    import torch
    from geomloss import SamplesLoss

    cost: Any = problem.cost
    a, b = weights(problem)
    p = int(cost.exponent)
    unit = 1.0 / p  # its cost is |x - y|^p / p
    epsilon = share * rtol * problem.cost.bilinear(a, b)
    loss = SamplesLoss(
        "sinkhorn", p=p, blur=(epsilon * unit) ** (1 / p), scaling=1 - rtol, debias=False, potentials=True,
        backend="tensorized",
    )  # fmt: skip
    f, g = loss(*(torch.from_numpy(np.array(v)) for v in (a, cost.x, b, cost.y)))
    f, g = (h.detach().numpy().ravel() / unit for h in (f, g))
    plan = GibbsPlan(f, g, epsilon, problem.a, problem.b, problem.cost)
    return Answer(Candidate(plan, (f, g)), float(a @ f + b @ g))


for _suffix, _share in (("", 1.0), ("/4", 0.25)):
    peer(f"geomloss:SamplesLoss{_suffix}", squared_or_plain, "geomloss", "torch")(partial(_geomloss, _share))
