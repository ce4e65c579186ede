"""Would the tests notice?  One small fault after the other in the code that makes certificates.

    python benchmarks/mutants.py [MODULE ...] [--resume FILE] [--record FILE]

A mutant is the module with one operator, comparison, constant, call or condition replaced (``OPERATORS``).  It is
killed when a narrow set of tests fails or runs out of time.  What survives is printed; those whose reason is in
``survivors.toml`` are counted apart, and any other makes the exit status 1.

Each mutant runs in a fork of a process in which the kernels are compiled, and lasts seconds.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import importlib.machinery
import os
import resource
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SURVIVORS = Path(__file__).with_name("survivors.toml")
TESTS = {  # the nearest first
    "otcore/certify/certifier.py": ["certify/test_certifier.py", "certify/test_perturbed.py"],
    "otcore/certify/repair.py": ["certify/test_repair.py", "certify/test_perturbed.py", "certify/test_certifier.py"],
    "otcore/certify/masses.py": ["certify/test_masses.py", "certify/test_repair.py", "certify/test_certifier.py"],
    "otcore/certify/rounding.py": ["certify/test_masses.py", "certify/test_repair.py", "certify/test_certifier.py"],
    "otcore/problem.py": ["test_problem.py", "test_gate.py", "certify/test_certifier.py"],
}
SECONDS = 60  # of CPU; all tests of a module together take a tenth of it
MEMORY = 8 << 30

# -- the faults ------------------------------------------------------------------------------------------------

OPERATORS: dict[type, list[type]] = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.FloorDiv: [ast.Mult],
    ast.Mod: [ast.Mult], ast.Pow: [ast.Mult], ast.LShift: [ast.RShift], ast.RShift: [ast.LShift],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip
NO_CODE = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin"}


class Mutant(NamedTuple):
    """One fault: where, what, which of several alike in the line, and the text of the whole module with it."""

    module: str
    line: int
    text: str
    fault: str
    which: int
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module."""
    source = (ROOT / module).read_text(encoding="utf-8")
    lines, tree, alike = source.splitlines(), ast.parse(source), Counter[tuple[str, str]]()
    _mark(tree)
    for place, node in enumerate(ast.walk(tree)):
        if not node.mutable:
            continue
        for fault, changes in faults(node):
            changed = copy.deepcopy(tree)
            target = next(n for k, n in enumerate(ast.walk(changed)) if k == place)
            changes(target)
            text = lines[node.lineno - 1].strip()
            alike[text, fault] += 1
            code = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(module, node.lineno, text, fault, alike[text, fault], code)


def _mark(tree: ast.AST) -> None:
    """Every expression and statement of a function's body; messages, annotations and names of modules are no code."""
    for node in ast.walk(tree):
        node.mutable = False
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            stack: list[ast.AST] = [*function.body, *function.args.defaults, *function.args.kw_defaults]
            while stack:
                node = stack.pop()
                if node is None or isinstance(
                    node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom
                ):
                    continue
                node.mutable = hasattr(node, "lineno")
                skipped = {node.annotation} if isinstance(node, ast.AnnAssign) else set()
                stack += [child for child in ast.iter_child_nodes(node) if child not in skipped]


def faults(node: Any) -> Iterator[tuple[str, Any]]:
    """(description, function that changes the node in place)."""
    if isinstance(node, ast.Compare):
        for k, operator in enumerate(node.ops):
            for new in OPERATORS.get(type(operator), []):
                yield _name(operator, new), lambda n, k=k, new=new: n.ops.__setitem__(k, new())
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        for new in OPERATORS.get(type(node.op), []):
            yield _name(node.op, new), lambda n, new=new: setattr(n, "op", new())
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        new = node.value + 1 if isinstance(node.value, int) else node.value * 2 or 1.0
        yield f"{node.value} -> {new}", lambda n, new=new: setattr(n, "value", new)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        sign = "-" if isinstance(node.op, ast.USub) else "not"
        yield f"{sign} dropped", lambda n: setattr(n, "op", ast.UAdd()) if sign == "-" else _drop_not(n)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield f"{node.id} -> {NAMES[node.id]}", lambda n: setattr(n, "id", NAMES[n.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"{node.attr} -> {NAMES[node.attr]}", lambda n: setattr(n, "attr", NAMES[n.attr])
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "condition negated", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "returns None", lambda n: setattr(n, "value", ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call dropped", lambda n: setattr(n, "value", ast.Constant(None))


def _name(old: ast.AST, new: type) -> str:
    return f"{type(old).__name__} -> {new.__name__}"


def _drop_not(node: Any) -> None:
    node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


# -- running the tests -------------------------------------------------------------------------------------------


def fails(tests: list[str]) -> bool:
    """Whether pytest finds a failure, in this process."""
    import pytest

    here = ["-n", "0"]  # other processes would read the module as it stands
    quiet = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", *here]
    place = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    return bool(pytest.main([*quiet, *place, *(str(ROOT / "tests" / name) for name in tests)]))


def forget() -> None:
    """Unload everything of otcore and its tests but the kernels, which stay compiled."""
    kernels = {name: module for name, module in sys.modules.items() if name.startswith("otcore._kernels")}
    for name in [name for name, module in sys.modules.items() if _ours(module)]:
        if name not in kernels:
            del sys.modules[name]
    importlib.import_module("otcore")._kernels = kernels["otcore._kernels"]


def _ours(module: Any) -> bool:
    return str(getattr(module, "__file__", None)).startswith((str(ROOT / "otcore"), str(ROOT / "tests")))


def killed(mutant: Mutant) -> str:
    """How the mutant died ("failed", "time"), or "" if it lives."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        read = importlib.machinery.SourceFileLoader.get_code

        def get_code(self: Any, name: str) -> Any:
            if self.path == str(ROOT / mutant.module):
                return compile(mutant.source, self.path, "exec")
            return read(self, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        status = 1
        try:
            status = int(fails(TESTS[mutant.module]))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return "time" if os.WIFSIGNALED(status) else "failed" if status else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--resume", type=Path, help="file of verdicts; mutants of unchanged lines are not run again")
    parser.add_argument("--record", type=Path, help="JSON lines to append the counts to")
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from otcore.bench.record import append, rows  # of this checkout

    verdicts = rows(arguments.resume) if arguments.resume else ()
    known = {tuple(row["mutant"]): row["killed"] for row in verdicts if "mutant" in row}
    every = sorted({name for module in arguments.modules for name in TESTS[module]})
    fails(every)  # compiles the kernels
    forget()
    for module in arguments.modules:
        if killed(Mutant(module, 0, "", "none", 0, (ROOT / module).read_text(encoding="utf-8"))):
            raise SystemExit(f"the tests of {module} fail without a mutant")
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["survivor"]
    explained = {(entry["line"], fault): entry["why"] for entry in entries for fault in entry["faults"]}
    counts: Counter[str] = Counter()
    alive = []
    for mutant in (m for module in arguments.modules for m in mutants(module)):
        key = mutant.module, mutant.text, mutant.fault, mutant.which
        if key not in known:
            known[key] = killed(mutant)
            if arguments.resume:
                append(arguments.resume, [{"mutant": key, "killed": known[key]}])
        counts["mutants"] += 1
        counts[f"killed: {known[key]}" if known[key] else "survived"] += 1
        if not known[key]:
            why = explained.get((mutant.text, mutant.fault)) or explained.get((mutant.text, "any"))
            counts["survived, explained"] += why is not None
            alive += [] if why else [mutant]
            print(f"{mutant.module}:{mutant.line}: {mutant.fault}\n    {mutant.text}\n    {why or 'ALIVE'}", flush=True)
    for what, count in counts.items():
        print(f"{count:>6}  {what}")
    if arguments.record:
        row = {"part": "mutants", "tried": counts["mutants"], "killed": counts["mutants"] - counts["survived"]}
        row |= {"explained": counts["survived, explained"], "alive": len(alive)}
        append(arguments.record, [row])
    return min(len(alive), 1)


if __name__ == "__main__":
    sys.exit(main())
