"""The folder is the registry: ``solvers/network_simplex.py`` *is* ``method="network-simplex"``.

To add a method, write one file with a frozen dataclass and ``SOLVER = ThatClass``.
"""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from otcore.errors import MissingDependencyError, UnknownMethodError, UnsupportedProblemError
from otcore.problem import Problem
from otcore.solvers._protocol import Solver

__all__ = ["Method", "applicable", "check", "method_named", "methods"]

INSTALL = {"torch": "pip install 'otcore[torch]'", "ot": "pip install POT"}


@dataclass(frozen=True)
class Method:
    """One line of the method table.

    Attributes
    ----------
    name : what ``method=`` takes
    summary : the first line of its docstring
    needs : traits that the cost must have
    requires : optional modules
    rtol : default relative gap
    """

    name: str
    summary: str
    needs: frozenset[str]
    requires: tuple[str, ...]
    rtol: float

    @property
    def available(self) -> bool:
        """Whether everything it requires is installed."""
        return not _missing(self.requires)


@cache
def methods() -> tuple[Method, ...]:
    """All methods, by name; ``"auto"`` chooses among the others.

    Examples
    --------
    >>> import otcore
    >>> [method.name for method in otcore.methods()]
    ['auto', 'critic', 'dual', 'emd', 'line', 'linprog', 'sinkhorn']
    """
    return tuple(_describe(name, solver) for name, solver in sorted(_solvers().items()))


def method_named(method: str | Solver) -> tuple[str, Solver]:
    """The method's name and its instance; instances pass through."""
    if not isinstance(method, str):
        for name, solver in _solvers().items():
            if isinstance(method, solver):
                return name, method
        if hasattr(method, "candidates") and not isinstance(method, type):
            return type(method).__name__, method
        raise UnknownMethodError(f"method is {method!r}; expected a name or an instance such as Sinkhorn(epsilon=0.1)")
    solvers = _solvers()
    if method not in solvers:
        near = difflib.get_close_matches(method, solvers, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownMethodError(f"method {method!r} is unknown; {hint}Known methods: {', '.join(sorted(solvers))}")
    return method, solvers[method]()


def applicable(problem: Problem) -> tuple[str, ...]:
    """Names of the methods that solve this problem with what is installed."""
    return tuple(m.name for m in methods() if m.needs <= problem.cost.traits and m.available)


def check(name: str, solver: Solver, problem: Problem) -> None:
    """Raise, naming what is missing and what would do, where the method does not apply."""
    lacking = solver.needs - problem.cost.traits
    if lacking:
        raise UnsupportedProblemError(
            f"method {name!r} needs a cost with trait {' and '.join(sorted(lacking))}, but this one has "
            f"{', '.join(sorted(problem.cost.traits)) or 'none'}; "
            f"methods that would do: {', '.join(applicable(problem))}"
        )
    missing = _missing(solver.requires)
    if missing:
        raise MissingDependencyError(
            f"method {name!r} needs {missing[0]}, which is not installed: "
            f"{INSTALL.get(missing[0], f'pip install {missing[0]}')}. Without it: {', '.join(applicable(problem))}"
        )


def _missing(requires: tuple[str, ...]) -> list[str]:
    return [module for module in requires if importlib.util.find_spec(module) is None]


@cache
def _solvers() -> dict[str, Any]:
    names = [info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")]
    return {name.replace("_", "-"): import_module(f"{__name__}.{name}").SOLVER for name in names}


def _describe(name: str, solver: Any) -> Method:
    summary = (solver.__doc__ or "").strip().splitlines()[0]
    return Method(name, summary, solver.needs, solver.requires, solver.rtol)
