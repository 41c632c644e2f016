"""Which code a result depends on: the import closure of the function that makes it.

    work ──► its module ──► what that imports inside `pvtt`, also inside functions ──► … ──► files ──► one hash

The item cache, the evaluator's cache, the key of a training, the run id and the code dependencies in `dvc.yaml` all ask
here, so they cannot disagree. Read from the source, not from what is loaded: what a function imports only when it
needs it counts, and what stands under `if TYPE_CHECKING:` does not, since it never runs.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "pvtt"
# How work is spread, kept and told to people; it decides nothing about what comes out.
INFRASTRUCTURE = (
    "pvtt.errors",
    "pvtt.files",
    "pvtt.items",
    "pvtt.dispatch",
    "pvtt.cli",
    "pvtt.params.file",  # puts the sections together; a stage names those that it reads
    "pvtt.params.profiles",
    "pvtt.stages.stage",
)
HASH_LENGTH = 16

# A function, or where it is: `module:function`. The second names work without importing it.
Work = Callable[..., Any] | str


def code_of(*works: Work, modules: Iterable[str] = (), root: Path | None = None) -> str:
    """A hash of all the code that the results of some work depend on.

    Args:
        works: Functions of this package or of another module.
        modules: Further modules of `pvtt` that results depend on, such as the schema of a params section.
        root: The folder that holds the package `pvtt`; by default the one that is running.

    Returns:
        16 hexadecimal digits, equal where the names and contents of `code_files` are.
    """
    digest = hashlib.sha256()
    for name, path in code_files(*works, modules=modules, root=root).items():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:HASH_LENGTH]


def code_files(*works: Work, modules: Iterable[str] = (), root: Path | None = None) -> dict[str, Path]:
    """The files behind `code_of`, by name and in order.

    A file of `pvtt` is named by its place below `root`, for example `pvtt/media/video.py`; that of a function outside
    the package by its own name. Besides modules they are the data files and folders that a module names in a string
    and that lie beside it, such as a template.

    Raises:
        FileNotFoundError: A module is not there.
    """
    root = running_root() if root is None else root
    found: dict[str, Path] = {}
    waiting = list(modules)
    for work in works:
        module = _module_of(work)
        if _is_inside(module):
            waiting.append(module)
        else:
            path = Path(str(importlib.import_module(module).__file__))
            found[path.name] = path
            waiting += imports_of(path, root)
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen or not _is_inside(module) or _is_infrastructure(module):
            continue
        seen.add(module)
        path = module_file(module, root)
        waiting += imports_of(path, root)
        waiting.append(module.rpartition(".")[0])  # importing a module runs the packages that it is in
        if path.name != "__init__.py" or _does_something(path):
            found |= {file.relative_to(root).as_posix(): file for file in (path, *_data_files(path))}
    return dict(sorted(found.items()))


def package_files(root: Path | None = None) -> dict[str, Path]:
    """Every module of `pvtt`, by its place below `root`."""
    root = running_root() if root is None else root
    return {path.relative_to(root).as_posix(): path for path in sorted((root / PACKAGE).rglob("*.py"))}


def running_root() -> Path:
    """The folder that holds the package `pvtt` that is running."""
    return Path(__file__).resolve().parents[2]


def _module_of(work: Work) -> str:
    return work.partition(":")[0] if isinstance(work, str) else work.__module__


def _is_inside(module: str) -> bool:
    return module.startswith(f"{PACKAGE}.")  # the package's own __init__ only points to others


def _is_infrastructure(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in INFRASTRUCTURE)


def module_file(module: str, root: Path) -> Path:
    """The file of a module of `pvtt`. Raises `FileNotFoundError` where there is none."""
    path = root.joinpath(*module.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    file = path.with_suffix(".py")
    if not file.is_file():
        raise FileNotFoundError(f"{module} is no module below {root}")
    return file


def imports_of(path: Path, root: Path) -> list[str]:
    """The modules of `pvtt` that a file imports, wherever in it, but not for type checking only."""
    return [
        f"{module}.{name}" if name and _exists(f"{module}.{name}", root) else module
        for module, name in _import_statements(path, path.stat().st_mtime_ns)
        if _is_inside(f"{module}.{name}")
    ]


def _exists(module: str, root: Path) -> bool:
    path = os.path.join(root, *module.split("."))  # noqa: PTH118  # asked a thousand times a closure
    return os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py"))  # noqa: PTH113, PTH118


@cache
def _parse(path: Path, changed_ns: int) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


@cache
def _import_statements(path: Path, changed_ns: int) -> tuple[tuple[str, str], ...]:
    """(module, name) of each `from module import name`, (module, "") of each `import module`."""
    found: list[tuple[str, str]] = []
    for node in _walk_what_runs(_parse(path, changed_ns)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}:{node.lineno}: a relative import; import {PACKAGE} by its full name")
            found += [(node.module, alias.name) for alias in node.names]
    return tuple(found)


def _walk_what_runs(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING:`."""
    yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        children = node.orelse
    for child in children:
        yield from _walk_what_runs(child)


def _does_something(path: Path) -> bool:
    """Whether a package's `__init__.py` holds more than a docstring."""
    body = _parse(path, path.stat().st_mtime_ns).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def _data_files(path: Path) -> list[Path]:
    """Files beside a module, or in a folder beside it, that the module names in a string."""
    found: set[Path] = set()
    beside = {entry.name for entry in path.parent.iterdir()}
    for name in _short_strings(path, path.stat().st_mtime_ns):
        if name.partition("/")[0] not in beside:
            continue
        named = path.parent / name
        if named.is_file() and named.suffix != ".py":
            found.add(named)
        elif named.is_dir() and not any(named.rglob("*.py")):
            found |= {file for file in named.rglob("*") if file.is_file()}
    return sorted(found)


@cache
def _short_strings(path: Path, changed_ns: int) -> frozenset[str]:
    """The strings in a module that may name a file beside it."""
    strings = {
        node.value
        for node in ast.walk(_parse(path, changed_ns))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 100
    }
    return frozenset(name for name in strings if not name.startswith((".", "/")) and not set(name) & {"\0", "\n"})
