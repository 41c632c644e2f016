"""What a check says, and the table of all."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault"]
WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One check's result.

    Args:
        name: What was looked at.
        state: `fault`: a run would end in it; `warning`: it may.
        says: What is the case.
        do: What to do about it; empty where it is ok.
    """

    name: str
    state: State
    says: str
    do: str = ""


def ok(name: str, says: str) -> Finding:
    """All is well."""
    return Finding(name, "ok", says)


def warning(name: str, says: str, do: str) -> Finding:
    """Something that may matter."""
    return Finding(name, "warning", says, do)


def fault(name: str, says: str, do: str) -> Finding:
    """Something that a run would end in."""
    return Finding(name, "fault", says, do)


def table(findings: Sequence[Finding]) -> str:
    """The findings for a terminal of 100 columns, faults named once more at the end."""
    width = max((len(one.name) for one in findings), default=0)
    lines = []
    for one in findings:
        lines += _wrapped(one.says, f"{one.name:{width}}  {one.state:7}  ", width)
        if one.do:
            lines += _wrapped(f"→ {one.do}", " " * (width + 11), width)
    counts = {state: sum(one.state == state for one in findings) for state in ("ok", "warning", "fault")}
    lines.append(f"{counts['ok']} ok, {counts['warning']} to know of, {counts['fault']} to mend")
    return "\n".join(lines)


def _wrapped(text: str, first: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * (width + 11), break_on_hyphens=False
    ) or [first.rstrip()]
