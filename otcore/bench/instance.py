"""A problem with a name: its family, its size and its seed make it again anywhere."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from otcore.errors import InvalidProblemError, MissingDependencyError
from otcore.problem import Problem

__all__ = ["Family", "Instance", "families", "family"]

Arguments = tuple[Any, Any, dict[str, Any]]  # p, q and the keywords of otcore.solve, as in the tests' zoo


@dataclass(frozen=True)
class Family:
    """Problems of one kind and any size.

    Attributes
    ----------
    name : str
    summary : str
        The first line of its docstring.
    make : callable of (rng, n)
        Returns p, q and the keywords of :func:`otcore.solve`, about n points a side; with ``data`` true it takes
        the folder of the files as a third argument.
    data : bool
        Whether it is read from files that otcore does not bring along.
    requires : tuple of str
        Modules whose files it reads.
    """

    name: str
    summary: str
    make: Callable[..., Arguments]
    data: bool = False
    requires: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What it requires and is not installed."""
        return [module for module in self.requires if find_spec(module) is None]


_FAMILIES: dict[str, Family] = {}


def family(
    name: str, *requires: str, data: bool = False
) -> Callable[[Callable[..., Arguments]], Callable[..., Arguments]]:
    """Enter a maker of problems into the one registry that benchmarks and tests share."""

    def enter(make: Callable[..., Arguments]) -> Callable[..., Arguments]:
        _FAMILIES[name] = Family(name, (make.__doc__ or "").strip().splitlines()[0], make, data, requires)
        return make

    return enter


def families() -> dict[str, Family]:
    """All families, by name.

    Examples
    --------
    >>> families()["plane"].summary
    'Uniform points in the unit square against uniform points, equal weights.'
    """
    import otcore.bench.families
    import otcore.bench.images  # noqa: F401  # importing is entering

    return _FAMILIES


@dataclass(frozen=True)
class Instance:
    """One problem: the same numbers on every machine.

    Attributes
    ----------
    family : str
        One of :func:`families`.
    size : int
        Points a side; images take the nearest square.
    seed : int
    data : Path, optional
        Folder of the files of a family that needs some; never part of the name.

    Examples
    --------
    >>> Instance("plane", 16).problem()
    <Problem 16 x 16, CloudCost, mass 1>
    """

    family: str
    size: int
    seed: int = 0
    data: Path | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.family}-{self.size}" + (f"-{self.seed}" if self.seed else "")

    def arguments(self) -> Arguments:
        """p, q and the keywords of :func:`otcore.solve`."""
        known = families()
        if self.family not in known:
            raise InvalidProblemError(f"no instances called {self.family!r}; there are {', '.join(sorted(known))}")
        kind = known[self.family]
        if kind.missing:
            raise MissingDependencyError(
                f"{self.family} is read from files of {kind.missing[0]}, which is not installed"
            )
        rng = np.random.default_rng([zlib.crc32(self.family.encode()), self.size, self.seed])
        if not kind.data:
            return kind.make(rng, self.size)
        if self.data is None:
            raise InvalidProblemError(f"{self.family} is read from files; say where they are with --data DIR")
        return kind.make(rng, self.size, self.data)

    def problem(self) -> Problem:
        """A fresh problem: what a cost remembers (sorted orders, bounds) must not help the next contestant."""
        from otcore._api import as_problem

        p, q, options = self.arguments()
        return as_problem(p, q, **options)
