"""The neural critic: a trained 1-Lipschitz function that estimates W1 and says how wrong it is.

The only package that imports torch, and only when one of its names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from otcore.errors import MissingDependencyError

if TYPE_CHECKING:
    from otcore.neural.critics import w1_critic
    from otcore.neural.lipschitz import Clip, Funnel, GradientPenalty, GroupSort, LipschitzMLP, ProjectedFunnel, mlp
    from otcore.neural.losses import dual_value
    from otcore.neural.options import CriticOptions
    from otcore.neural.result import CriticResult, PopulationBound
    from otcore.neural.samples import Samples
    from otcore.neural.train import Ending, Step, train

_HOMES = {  # as in otcore/__init__: a name is imported when it is first used (PEP 562)
    "otcore.neural.critics": ("w1_critic",),
    "otcore.neural.lipschitz": (
        "Clip",
        "Funnel",
        "GradientPenalty",
        "GroupSort",
        "LipschitzMLP",
        "ProjectedFunnel",
        "mlp",
    ),
    "otcore.neural.losses": ("dual_value",),
    "otcore.neural.options": ("CriticOptions",),
    "otcore.neural.result": ("CriticResult", "PopulationBound"),
    "otcore.neural.samples": ("Samples",),
    "otcore.neural.train": ("Ending", "Step", "train"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Clip",
    "CriticOptions",
    "CriticResult",
    "Ending",
    "Funnel",
    "GradientPenalty",
    "GroupSort",
    "LipschitzMLP",
    "PopulationBound",
    "ProjectedFunnel",
    "Samples",
    "Step",
    "dual_value",
    "mlp",
    "train",
    "w1_critic",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'otcore.neural' has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError(
            f"otcore.neural.{name} needs torch, which is not installed: pip install 'otcore[torch]'", name="torch"
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
