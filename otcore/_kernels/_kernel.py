"""What makes a function a kernel: Numba compiles it, unless the little that it is asked is sooner interpreted.

To compile what a first answer needs takes half a minute on a slow machine, to load Numba and what it compiled before a
second and more; to interpret it for a hundred points takes a tenth of that.  A kernel that says how much work a call is
runs as the Python that it is written in, or as its twin in NumPy, until all kernels together have taken as long as
loading would; and then, if it is not compiled yet, until it has taken as long as compiling it would, in all processes
together.  Nobody waits much more than twice the shorter of the two, and a process with a small question does not even
import Numba.  All ways do the same operations on the same floats in the same order, so the bits are the same.
[Ski rental: Karlin, Manasse, Rudolph, Sleator 1988]
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

__all__ = ["Kernel", "compiled", "interpreted", "intrinsic", "kernel", "linear", "vectors"]

# Seconds to compile a byte of bytecode, to interpret a step, and to load Numba and what it needs before any compiled
# code.  All are Python at work: where they are off, as on a faster machine, they are off by about the same factor.
BYTE, STEP, LOADING = 1e-3, 2e-6, 1.0

Function = Callable[..., Any]
Work = Callable[..., int]


def kernel(
    function: Function | None = None,
    *,
    work: Work | None = None,
    twin: Function | None = None,
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
        return partial(kernel, work=work, twin=twin, shallow=shallow, **options)
    if _without_numba():
        return function
    return Kernel(function, work, function if shallow else twin, shallow, options)


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


def _without_numba() -> bool:
    numba = sys.modules.get("numba")
    return bool(numba.config.DISABLE_JIT if numba else int(os.environ.get("NUMBA_DISABLE_JIT") or 0))


@contextmanager
def compiled() -> Iterator[None]:
    """Interpret no kernel that is called in here."""
    before, Kernel.byte = Kernel.byte, -1.0
    try:
        yield
    finally:
        Kernel.byte = before


class _NotCached(Exception):
    pass


class Kernel:
    """What is called in place of a function of Python; Numba takes it for its dispatcher."""

    byte: ClassVar[float] = BYTE
    spent_by_all: ClassVar[float] = 0.0  # seconds in the interpreter
    within: ClassVar[float] = 0.0  # seconds that kernels called by the one that is interpreted took, or were compiled
    loaded: ClassVar[bool] = False  # whether Numba is ready for compiled code
    lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(
        self, function: Function, work: Work | None, twin: Function | None, shallow: bool, options: dict[str, Any]
    ) -> None:
        update_wrapper(self, function)
        self.py_func, self.work, self.twin, self.options = function, work, twin, options
        self.shallow, self.declines = shallow, False
        self.call = self.first_call

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)

    def __repr__(self) -> str:
        return f"<Kernel {self.__module__}.{self.__name__}>"

    def __reduce__(self) -> str:
        return str(self.__name__)  # by reference, as functions are pickled

    def __getattr__(self, name: str) -> Any:
        """What Numba knows about it: ``signatures``, ``targetoptions`` ..."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dispatcher, name)

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_

    @cached_property
    def dispatcher(self) -> Any:
        """Numba's, which asks in its turn, where there is no code yet for the types of some arguments."""
        from otcore._kernels import _numba

        with self.lock:
            if "dispatcher" in vars(self):  # another thread was first
                return vars(self)["dispatcher"]
            dispatcher = _numba.dispatcher(self.py_func, self.options)
            if self.work is not None:
                self.load_or_compile, self.compile = dispatcher._compile_for_args, dispatcher._compiler.compile
                dispatcher._compile_for_args = self.load_or_interpret
                dispatcher._compiler.compile = self.compile_or_decline
            return dispatcher

    def first_call(self, *arguments: Any) -> Any:
        """A call before the process has loaded Numba."""
        patient = self.work is not None and self.byte >= 0.0 and not self.loaded
        if patient and Kernel.spent_by_all + STEP * self.work(*arguments) <= LOADING:  # type: ignore[misc]
            return self.interpret(*arguments)
        Kernel.loaded = True
        self.call = self.dispatcher
        return self.call(*arguments)

    def load_or_interpret(self, *arguments: Any) -> Any:
        """What is to be called with these arguments."""
        from otcore._kernels._numba import global_compiler_lock

        assert self.work is not None
        began = time.thread_time()
        with global_compiler_lock:  # or another thread, that needs this kernel inside one of its own, would be declined
            self.declines = self.spent + STEP * self.work(*arguments) <= self.byte * self.length
            try:
                return self.load_or_compile(*arguments)
            except _NotCached:
                return self.interpret_and_note
            finally:
                self.declines = False
                Kernel.within += time.thread_time() - began

    def compile_or_decline(self, *arguments: Any) -> Any:
        if self.declines:
            raise _NotCached
        return self.compile(*arguments)

    def interpret(self, *arguments: Any) -> Any:
        outer, Kernel.within = Kernel.within, 0.0
        began = time.thread_time()
        with np.errstate(all="ignore"):
            result = interpreted(self)(*arguments)
        took = time.thread_time() - began
        self.took = took - Kernel.within
        Kernel.spent_by_all += self.took
        Kernel.within = outer + took
        return result

    def interpret_and_note(self, *arguments: Any) -> Any:
        result = self.interpret(*arguments)
        self.ledger[self.name] = self.spent + self.took
        return result

    @cached_property
    def length(self) -> int:
        """The bytecode of the kernel and of all kernels that it calls, unless these decide for themselves."""
        kernels = [self]
        for kernel in () if self.shallow else kernels:
            names = kernel.py_func.__globals__
            called = [names.get(name) for name in kernel.py_func.__code__.co_names]
            kernels += [k for k in called if isinstance(k, Kernel) and k not in kernels]
        return sum(len(kernel.py_func.__code__.co_code) for kernel in kernels)

    @cached_property
    def ledger(self) -> dict[str, float]:
        folder = self.dispatcher._cache.cache_path  # None where nothing is cached
        return {} if folder is None else _seconds_noted_in(folder)

    @cached_property
    def name(self) -> str:
        return f"{self.__module__}.{self.__name__} of {self.length} bytes"

    @property
    def spent(self) -> float:
        """Seconds in the interpreter, in this process and in those before it."""
        return self.ledger.get(self.name, 0.0)


class Intrinsic:
    """What Numba takes for an intrinsic, and the interpreter for its twin."""

    def __init__(self, twin: Function, definition: Function) -> None:
        self.__name__, self.__doc__ = definition.__name__, definition.__doc__
        self.twin, self.definition = twin, definition

    @cached_property
    def _numba_type_(self) -> Any:
        from otcore._kernels import _numba

        return _numba.intrinsic(self.definition)


def intrinsic(twin: Function) -> Function:
    """Define an intrinsic of :mod:`numba.extending` beside its twin, a Python function that does the same."""
    return lambda definition: twin if _without_numba() else Intrinsic(twin, definition)


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
    if not isinstance(value, Kernel | Intrinsic):
        return value
    if value.twin is None:  # made once: twins ask at every call
        function = value.py_func
        names = _globals(function.__module__)
        value.twin = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    return value.twin


_interpreted: dict[str, dict[str, Any]] = {}


def _globals(module: str) -> dict[str, Any]:
    if module not in _interpreted:
        names = _interpreted[module] = dict(vars(sys.modules[module]))  # before it is filled: modules may be recursive
        names.update({name: interpreted(value) for name, value in names.items()})
    return _interpreted[module]
