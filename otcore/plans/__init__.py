"""Transport plans: a few entries (:class:`SparsePlan`) or two vectors (:class:`GibbsPlan`)."""

from otcore.plans.gibbs import GibbsPlan
from otcore.plans.sparse import SparsePlan

__all__ = ["GibbsPlan", "SparsePlan"]
