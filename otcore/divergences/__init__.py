"""Divergences between measures that are built from optimal transport."""

from otcore.divergences.sinkhorn import SinkhornDivergence, sinkhorn_divergence

__all__ = ["SinkhornDivergence", "sinkhorn_divergence"]
