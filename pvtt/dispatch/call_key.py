"""Whether two calls are the very same: a hash of function, arguments, code and what the job asks for.

Pickles will not do: the order of a set, and which strings are one object, differ between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any

from pvtt.dispatch.sent_call import SentCall
from pvtt.files.hashing import sha256_json
from pvtt.records.base import Record


def call_key(
    kind: str, name: str, function: Callable[[Any], Any], arguments: Sequence[Any], sent: SentCall, place: str
) -> str:
    """The hash of a call.

    Args:
        kind: `map` or `run`.
        name: The stage's name.
        function: What is called.
        arguments: On what, in order.
        sent: One of the calls as it is sent; all carry the same code.
        place: What the job asks for and runs in, as text: the profile, the interpreter.

    Returns:
        64 hexadecimal digits.
    """
    return sha256_json(
        [kind, name, _digest(function), [_digest(each) for each in arguments], str(sent.root), sent.files, place]
    )


def _digest(value: Any, above: tuple[int, ...] = ()) -> str:
    """A hash of a value's content, through whatever it is made of."""
    if id(value) in above:
        return "itself"
    inside = (*above, id(value))

    def of(*parts: Any) -> list[str]:
        return [_digest(part, inside) for part in parts]

    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    content: list[Any]
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes() if not isinstance(value, Enum):
            content = [repr(value)]
        case PurePath():
            content = [str(value)]
        case Record():
            content = [value.to_json()]
        case type() | FunctionType() | BuiltinFunctionType():
            content = [value.__module__, value.__qualname__]
        case list() | tuple():
            content = of(*value)
        case dict():
            content = [of(key, each) for key, each in value.items()]
        case set() | frozenset():
            content = sorted(of(*value))
        case _:
            reduced = value.__reduce_ex__(4)
            if isinstance(reduced, str):
                content = [reduced]
            else:
                made, made_of, *rest = reduced
                state, items, pairs = (*rest, None, None, None)[:3]
                content = [*of(made, made_of, state), of(*(items or ())), of(*(pairs or ()))]
    return sha256_json([kind, content])
