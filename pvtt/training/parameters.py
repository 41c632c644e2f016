"""Which parameters a stage trains: name patterns → the exact list."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from pvtt.errors import ParamsError


def match_parameters(names: Sequence[str], patterns: Sequence[str], key: str, what: str = "parameter") -> list[str]:
    """The names that a stage's patterns declare, in the names' order.

    Args:
        names: All parameter names of the model.
        patterns: Shell-style patterns of whole names or of a module's name, which stands for everything in it:
            `blocks.*.parts.*`, `patch_embedding`, `blocks.*.attn1.*`.
        key: The key in `params.yaml` that holds them, for errors.
        what: What the names are of, for errors.

    Raises:
        ParamsError: There is no pattern, or one matches nothing; says which, and the nearest names.
    """
    if not patterns:
        raise ParamsError(f"{key} is empty: nothing would be trained", f"list {what} name patterns in {key}")
    chosen: set[str] = set()
    for pattern in patterns:
        matched = {name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")}
        if not matched:
            near = difflib.get_close_matches(pattern, _candidates(names), n=3, cutoff=0.0)
            raise ParamsError(
                f"{key}: {pattern!r} matches no {what}; the nearest names are {', '.join(near)}",
                f"correct the pattern in {key}; `*` stands for any part of a name",
            )
        chosen |= matched
    return [name for name in names if name in chosen]


def _candidates(names: Sequence[str]) -> list[str]:
    """Parameter names and their modules' names, each block's number as `*`."""
    shortened = [".".join("*" if part.isdigit() else part for part in name.split(".")) for name in names]
    prefixes = {".".join(name.split(".")[:depth]) for name in shortened for depth in range(1, name.count(".") + 2)}
    return sorted(prefixes)


def declare_trainable(model: nn.Module, patterns: Sequence[str], key: str) -> list[str]:
    """Let exactly the declared parameters require gradients; returns their names. Raises as `match_parameters`."""
    names = match_parameters([name for name, _ in model.named_parameters()], patterns, key)
    wanted = set(names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)
    assert_trainable(model, names)
    return names


def assert_trainable(model: nn.Module, names: Sequence[str]) -> None:
    """Check that the parameters that require gradients are exactly `names`, in the model's order."""
    actual = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if actual != list(names):
        differing = sorted(set(actual) ^ set(names))
        raise AssertionError(f"the trainable parameters are not the declared ones: {', '.join(differing[:5])}")


def shorten(names: Sequence[str]) -> str:
    """The exact list for a person: each block's number as `*`, a module's weight and bias together, wrapped."""
    parts: dict[str, list[str]] = {}
    for name in names:
        module, _, part = ".".join("*" if part.isdigit() else part for part in name.split(".")).rpartition(".")
        known = parts.setdefault(module, [])
        if part not in known:
            known.append(part)
    items = [
        f"{module}.{{{','.join(known)}}}" if len(known) > 1 else f"{module}.{known[0]}".removeprefix(".")
        for module, known in parts.items()
    ]
    return textwrap.fill(", ".join(items), 110, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
