"""All that Python asks of Numba itself; only when a kernel has to be loaded or compiled is it imported."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from numba import config, extending, njit
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from otcore._kernels._notice import watch

__all__ = ["dispatcher", "global_compiler_lock", "intrinsic"]

try:
    njit(cache=True)(lambda: None)  # looks for a folder to cache in; compiles nothing
except RuntimeError:
    # Neither the installation nor a home folder can be written, as in many containers: numba would refuse every
    # kernel.  A folder of this process's own is safe from other users, whose compiled code must not be loaded.
    folder = tempfile.mkdtemp(prefix="otcore-kernels-")
    vars(config)["CACHE_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

watch()


def dispatcher(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """What compiles a function for the types that it is called with."""
    return njit(**{"cache": True, "nogil": True, "no_cfunc_wrapper": True} | options)(function)


def intrinsic(definition: Callable[..., Any]) -> Any:
    """The type of an intrinsic, by which kernels know it."""
    made = extending.intrinsic(definition)
    context = cpu_target.typing_context
    context.refresh()
    return context.resolve_value_type(made)
