"""Plants a fault into the code of modules that are loaded: a text of the source is replaced by another.

The module's changed source is run in a namespace of its own, and what came out is put into the running module: the
code of functions and methods (so that whoever imported one has the fault too), constants, and the fields of frozen
records in tuples, such as a module's metrics. Afterwards all is as it was.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

_OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")


@dataclass(frozen=True)
class Mutation:
    """A fault.

    Args:
        module: Below `package`, dotted.
        text: Stands in its source exactly once.
        fault: What stands there instead.
        package: Of this project.
    """

    module: str
    text: str
    fault: str
    package: str = "pvtt"

    def __str__(self) -> str:
        return f"{self.module}: {self.text.strip()} -> {self.fault.strip()}"


@contextmanager
def planted(mutation: Mutation) -> Iterator[None]:
    """With the fault in place.

    Raises:
        ValueError: Its text is not in the module's source, or more than once, or the fault changes nothing that runs.
    """
    module = importlib.import_module(f"{mutation.package}.{mutation.module}")
    path = Path(str(module.__file__))
    source = path.read_text()
    if source.count(mutation.text) != 1 or mutation.text == mutation.fault:
        raise ValueError(f"{mutation}: the text stands in {path} {source.count(mutation.text)} times, must be once")
    changed = ModuleType(module.__name__)
    changed.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    exec(compile(source.replace(mutation.text, mutation.fault), str(path), "exec"), changed.__dict__)
    undo: list[tuple[Any, str, Any]] = []
    try:
        _exchange(vars(module), vars(changed), module, undo)
        if not undo:
            raise ValueError(f"{mutation}: nothing that runs has changed")
        yield
    finally:
        for target, name, value in reversed(undo):
            _set(target, name, value)


def _exchange(old: Any, new: Any, module: ModuleType, undo: list[tuple[Any, str, Any]]) -> None:
    for name, value in list(old.items()):
        if (name.startswith("__") and name not in ("__init__", "__call__")) or name not in new:
            continue
        _exchange_one(module if old is vars(module) else None, name, value, new[name], module, undo)


def _exchange_one(
    owner: Any, name: str, old: Any, new: Any, module: ModuleType, undo: list[tuple[Any, str, Any]]
) -> None:
    for kind in (staticmethod, classmethod):
        if isinstance(old, kind):
            old, new = old.__func__, new.__func__
    if isinstance(old, property):
        old, new = old.fget, new.fget
    old, new = inspect.unwrap(old) if callable(old) else old, inspect.unwrap(new) if callable(new) else new
    if isinstance(old, FunctionType):
        if old.__module__ == module.__name__ and isinstance(new, FunctionType):
            for part in _OF_FUNCTIONS:
                before, after = getattr(old, part), getattr(new, part)
                if not _same(before, after):
                    undo.append((old, part, before))
                    setattr(old, part, after)
    elif isinstance(old, type):
        if old.__module__ == module.__name__:
            _exchange(vars(old), vars(new), module, undo)
    elif isinstance(old, tuple) and old and all(dataclasses.is_dataclass(one) for one in old):
        for before, after in zip(old, new, strict=True):
            if type(before).__module__ == type(after).__module__ and type(before).__name__ == type(after).__name__:
                _exchange_record(before, after, module, undo)
    elif owner is not None and _is_constant(old) and old != new:
        undo.append((owner, name, old))
        setattr(owner, name, new)


def _is_constant(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(one, int | float | str) for one in value.values())
    return isinstance(value, int | float | str | tuple)


def _exchange_record(old: Any, new: Any, module: ModuleType, undo: list[tuple[Any, str, Any]]) -> None:
    for field in dataclasses.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if isinstance(before, FunctionType) and isinstance(after, FunctionType):
            if before.__name__ == after.__name__:
                _exchange_one(None, field.name, before, after, module, undo)
                continue
            after = getattr(module, after.__name__, after)
        if before is not after and not _same(before, after):
            undo.append((old, field.name, before))
            object.__setattr__(old, field.name, after)


def _same(before: Any, after: Any) -> bool:
    if inspect.iscode(before) and inspect.iscode(after):
        return _facts(before) == _facts(after)
    return bool(before == after)


def _facts(code: Any) -> tuple[Any, ...]:
    """What code does, wherever it stands."""
    constants = tuple(_facts(one) if inspect.iscode(one) else one for one in code.co_consts)
    return code.co_code, tuple(map(repr, constants)), code.co_names, code.co_varnames


def _set(target: Any, name: str, value: Any) -> None:
    if dataclasses.is_dataclass(target) and not isinstance(target, type):
        object.__setattr__(target, name, value)
    else:
        setattr(target, name, value)
