"""Refuse what cannot fit before allocating it."""

from __future__ import annotations

import os

from otcore.errors import ProblemTooLargeError

__all__ = ["require_memory"]

SHARE = 0.8  # of physical memory; the rest belongs to the caller


def require_memory(needed: float, what: str, remedy: str) -> None:
    """Raise :class:`ProblemTooLargeError`, naming the lazy alternative, if ``needed`` bytes cannot be had."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**62
    if needed > SHARE * total:
        raise ProblemTooLargeError(
            f"{what} needs about {needed / 2**30:.3g} GiB and this machine has {total / 2**30:.3g} GiB; {remedy}"
        )
