"""One line of notice when kernels take more than a second to compile, as they do once after installing."""

from __future__ import annotations

import logging
import time
from typing import Any

from numba.core.event import Event, Listener, register

__all__ = ["Notice", "watch"]

PATIENCE = 1.0  # seconds of compiling that nobody notices


class Notice(Listener):
    """Hears of every compilation, says once that the kernels of this package are being compiled."""

    def __init__(self) -> None:
        self._spent, self._began, self._depth, self._said = 0.0, 0.0, 0, False

    def on_start(self, event: Event) -> None:
        if not _ours(event):
            return
        if self._depth == 0:
            self._began = time.perf_counter()
        self._depth += 1
        self._look()

    def on_end(self, event: Event) -> None:
        if not _ours(event):
            return
        self._look()
        self._depth -= 1
        if self._depth == 0:
            self._spent += time.perf_counter() - self._began

    def _look(self) -> None:
        if not self._said and self._spent + time.perf_counter() - self._began > PATIENCE:
            self._said = True
            logging.getLogger("otcore").warning(
                "otcore compiles its kernels for this machine; later processes load them. "
                "otcore.warmup() compiles all of them at once"
            )


def _ours(event: Event) -> bool:
    data: Any = event.data
    return str(data["dispatcher"].py_func.__module__).startswith("otcore.")


def watch() -> None:
    """Listen from now on."""
    register("numba:compile", Notice())
