"""What makes a function a kernel: Numba compiles it, unless the little that it is asked is sooner interpreted.

To compile what a first answer needs takes half a minute on a slow machine, to interpret it for a hundred points half a
second.  A kernel that says how much work a call is runs as the Python that it is written in, until that has taken as
long as compiling it would, in all processes together: nobody waits much more than twice the shorter of the two.  Both
do the same operations on the same floats in the same order, so the bits are the same.
[Ski rental: Karlin, Manasse, Rudolph, Sleator 1988]
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
from numba import config, extending, njit
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

__all__ = ["compiled", "interpreted", "intrinsic", "kernel", "linear", "vectors"]

# Seconds to compile a byte of bytecode, to interpret a step, and to load what Numba needs before any compiled code.
# All are Python at work: where they are off, as on a faster machine, they are off by about the same factor.
BYTE, STEP, LOADING = 1e-3, 2e-6, 0.8

Work = Callable[..., int]


def kernel(
    function: Callable[..., Any] | None = None,
    *,
    work: Work | None = None,
    twin: Callable[..., Any] | None = None,
    shallow: bool = False,
    **options: Any,
) -> Any:
    """Make a function a kernel, which on its first call is loaded from the cache on disk, or compiled, or interpreted.

    Parameters
    ----------
    work : callable, optional
        About how many steps a call with these arguments takes.  Without it the kernel is always compiled.
    twin : callable, optional
        What is called instead of the interpreted kernel: the same bits by NumPy, a row at a time.
    shallow : bool
        Interpreted, it leaves the kernels that it calls to decide for themselves; its work is without theirs.
    **options : of :func:`numba.njit`
    """
    if function is None:
        return lambda function: kernel(function, work=work, twin=twin, shallow=shallow, **options)
    dispatcher = njit(**{"cache": True, "nogil": True, "no_cfunc_wrapper": True} | options)(function)
    if isinstance(dispatcher, Dispatcher):  # and not, with NUMBA_DISABLE_JIT=1, the function
        dispatcher.twin = function if shallow else twin  # type: ignore[attr-defined]
        if work is not None:
            _Patience(dispatcher, work)
    return dispatcher


def linear(*arguments: Any) -> int:
    """The entries of all arrays: the steps of a kernel that looks at each a few times."""
    return sum(
        argument.size if isinstance(argument, np.ndarray) else linear(*argument)
        for argument in arguments
        if isinstance(argument, np.ndarray | tuple)
    )


def vectors(*arguments: Any) -> int:
    """The same for a twin in NumPy, which takes a step for a row of some hundred entries."""
    return linear(*arguments) // 256


def intrinsic(twin: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Define an intrinsic of :mod:`numba.extending` beside its twin, a Python function that does the same."""

    def define(definition: Callable[..., Any]) -> Any:
        if config.DISABLE_JIT:  # type: ignore[attr-defined]
            return twin
        made: Any = extending.intrinsic(definition)
        made.twin = twin
        return made

    return define


@contextmanager
def compiled() -> Iterator[None]:
    """Interpret no kernel that is called in here."""
    before, _Patience.byte = _Patience.byte, -1.0
    try:
        yield
    finally:
        _Patience.byte = before


class _NotCached(Exception):
    pass


class _Patience:
    """Answers in place of a dispatcher that has no code yet for the types of some arguments."""

    byte: ClassVar[float] = BYTE
    spent_by_all: ClassVar[float] = 0.0  # seconds in the interpreter
    loaded: ClassVar[bool] = False  # whether Numba is ready for compiled code

    def __init__(self, dispatcher: Any, work: Work) -> None:
        self.dispatcher, self.work, self.declines = dispatcher, work, False
        self.load_or_compile, self.compile = dispatcher._compile_for_args, dispatcher._compiler.compile
        dispatcher._compile_for_args = self.load_or_interpret
        dispatcher._compiler.compile = self.compile_or_decline

    @cached_property
    def length(self) -> int:
        """The bytecode of the kernel and of all kernels that it calls."""
        kernels = [self.dispatcher]
        for kernel in kernels:
            names = kernel.py_func.__globals__
            called = [names.get(name) for name in kernel.py_func.__code__.co_names]
            kernels += [k for k in called if isinstance(k, Dispatcher) and k not in kernels]
        return sum(len(kernel.py_func.__code__.co_code) for kernel in kernels)

    @cached_property
    def ledger(self) -> dict[str, float]:
        folder = self.dispatcher._cache.cache_path  # None where nothing is cached
        return {} if folder is None else _seconds_noted_in(folder)

    @cached_property
    def name(self) -> str:
        return f"{self.dispatcher.py_func.__module__}.{self.dispatcher.py_func.__name__} of {self.length} bytes"

    @property
    def spent(self) -> float:
        """Seconds in the interpreter, in this process and in those before it."""
        return self.ledger.get(self.name, 0.0)

    @cached_property
    def python(self) -> Callable[..., Any]:
        return interpreted(self.dispatcher)  # type: ignore[no-any-return]

    def load_or_interpret(self, *arguments: Any) -> Any:
        """What is to be called with these arguments."""
        if self.byte < 0.0:
            return self.load_or_compile(*arguments)
        ahead = STEP * self.work(*arguments)
        with global_compiler_lock:  # or another thread, that needs this kernel inside one of its own, would be declined
            if _Patience.loaded or _Patience.spent_by_all + ahead > LOADING:
                _Patience.loaded = True
                self.declines = self.spent + ahead <= self.byte * self.length
                try:
                    return self.load_or_compile(*arguments)
                except _NotCached:
                    pass
                finally:
                    self.declines = False
            return partial(self.interpret, self.python)

    def compile_or_decline(self, *arguments: Any) -> Any:
        if self.declines:
            raise _NotCached
        return self.compile(*arguments)

    def interpret(self, function: Callable[..., Any], *arguments: Any) -> Any:
        began = time.thread_time()
        with np.errstate(all="ignore"):
            result = function(*arguments)
        spent = time.thread_time() - began
        self.ledger[self.name] = self.spent + spent
        _Patience.spent_by_all += spent
        return result


@cache
def _seconds_noted_in(folder: str) -> dict[str, float]:
    """The seconds that kernels were interpreted, noted beside their compiled code when the process ends."""
    file = Path(folder, "interpreted.json")
    try:
        noted: dict[str, float] = json.loads(file.read_text())
    except (OSError, ValueError):
        noted = {}
    atexit.register(_note, file, dict(noted), noted)
    return noted


def _note(file: Path, before: dict[str, float], seconds: dict[str, float]) -> None:
    if seconds != before:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(seconds))


def interpreted(value: Any) -> Any:
    """The twin of a kernel or an intrinsic, or the Python function of a kernel; anything else as it is.

    What that function calls is interpreted, too: its globals are those of its module, all interpreted.
    """
    twin = getattr(value, "twin", None)
    if twin is not None or not isinstance(value, Dispatcher):
        return twin or value
    function = value.py_func
    return FunctionType(function.__code__, _globals(function.__module__), function.__name__, function.__defaults__)


_interpreted: dict[str, dict[str, Any]] = {}


def _globals(module: str) -> dict[str, Any]:
    if module not in _interpreted:
        names = _interpreted[module] = dict(vars(sys.modules[module]))  # before it is filled: modules may be recursive
        names.update({name: interpreted(value) for name, value in names.items()})
    return _interpreted[module]
