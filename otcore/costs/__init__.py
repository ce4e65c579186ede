"""Costs: a stored matrix, a point cloud and a line look the same to everything above them."""

from otcore.costs._cost import EXACT, Cost, Enclosure
from otcore.costs.cloud import CloudCost
from otcore.costs.custom import CallableCost
from otcore.costs.dense import DenseCost, MatrixMetricCost
from otcore.costs.grid import GridCost
from otcore.costs.line import LineCost
from otcore.costs.lipschitz import LipschitzPotential

__all__ = [
    "EXACT",
    "CallableCost",
    "CloudCost",
    "Cost",
    "DenseCost",
    "Enclosure",
    "GridCost",
    "LineCost",
    "LipschitzPotential",
    "MatrixMetricCost",
]
