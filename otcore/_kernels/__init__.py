"""Numba kernels: arrays in, arrays out; they know no class and no kernel above them knows a certificate.

Importing a module of this package imports numba, so callers import it inside the function that runs it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile

from numba import config, njit

from otcore._kernels._notice import watch

__all__: list[str] = []

try:
    njit(cache=True)(lambda: None)  # looks for a folder to cache in; compiles nothing
except RuntimeError:
    # Neither the installation nor a home folder can be written, as in many containers: numba would refuse every
    # kernel.  A folder of this process's own is safe from other users, whose compiled code must not be loaded.
    folder = tempfile.mkdtemp(prefix="otcore-kernels-")
    vars(config)["CACHE_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

watch()
