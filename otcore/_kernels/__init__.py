"""Numba kernels: arrays in, arrays out; they know no class and no kernel above them knows a certificate."""

from __future__ import annotations

__all__: list[str] = []
