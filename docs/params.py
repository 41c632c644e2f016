"""Writes docs/params.md, every key of params.yaml, from the schema: `make docs`.

pvtt/params: types, ranges, defaults ─┐
the comment behind each field ────────┼──► one table a section
what the stages say they read ────────┤
params.yaml ──────────────────────────┘
"""

from __future__ import annotations

import inspect
import io
import json
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pvtt.params.file import Params, load_params
from pvtt.stages.all import STAGES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "params.md"

HEADER = """\
# Every key of `params.yaml`

`make docs` writes this page from the schema in `pvtt/params/`, one module a section. A key that is not in the file has
its default. *tiny* is what the committed `params.yaml` has instead of the default; `infra/profiles/` says what `poc`
and `prod` change. *Read by* names the stages that a change makes stale. `pvtt params` checks the file.
"""


@dataclass(frozen=True)
class Key:
    """One key, with the class that declares it and the value in the committed file."""

    name: str
    owner: type[BaseModel]
    field_name: str
    field: FieldInfo
    value: Any

    @property
    def schema(self) -> dict[str, Any]:
        """Its type and range as JSON Schema."""
        return dict(self.owner.model_json_schema()["properties"][self.field.alias or self.field_name])


def keys_of(section: BaseModel, prefix: str = "") -> Iterator[Key]:
    """All keys of a section, those of sections inside it in their place."""
    for field_name, field in type(section).model_fields.items():
        name, value = prefix + (field.alias or field_name), getattr(section, field_name)
        if isinstance(value, BaseModel):
            yield from keys_of(value, f"{name}.")
        else:
            yield Key(name, type(section), field_name, field, value)


@cache
def comments_of(owner: type[BaseModel]) -> dict[str, str]:
    """What the comment behind each field of a class says."""
    comments: dict[str, str] = {}
    name = ""
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(owner)).readline):
        if token.type == tokenize.NAME and token.start[1] == 4:
            name = token.string
        elif token.type == tokenize.COMMENT and name:
            comments[name] = token.string.lstrip("# ")
    return comments


def range_of(schema: dict[str, Any]) -> str:
    """A type and its range for people."""
    if "anyOf" in schema:
        return " or ".join(range_of(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema["type"] == "array":
        if "prefixItems" in schema:
            return f"{len(schema['prefixItems'])} of: {range_of(schema['prefixItems'][0])}"
        return f"list of: {range_of(schema['items'])}"
    if "minimum" in schema and "maximum" in schema:
        limits = f", {schema['minimum']:g} to {schema['maximum']}"
    else:
        signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
        limits = "".join(f" {sign} {schema[key]:g}" for key, sign in signs.items() if key in schema)
    step = f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return f"{schema['type']}{limits}{step}"


def readers_of(name: str) -> str:
    """The stages that depend on a key."""
    readers = [stage.name for stage in STAGES if any(name == key or name.startswith(f"{key}.") for key in stage.params)]
    commands = {"crawl": "`pvtt crawl`", "promote": "`flows.promote`"}
    return ", ".join(readers) or commands.get(name.partition(".")[0], "")


def shown(value: Any) -> str:
    """A value as in YAML's flow style."""
    return f"`{json.dumps(value)}`".replace('"', "")


def write_page(params: Params) -> str:
    """The whole page.

    Args:
        params: What the committed params.yaml says.
    """
    sections: dict[str, list[Key]] = {}
    for key in keys_of(params):
        sections.setdefault(key.name.rpartition(".")[0], []).append(key)
    parts = [HEADER]
    for title, keys in sections.items():
        parts.append(f"\n## {title or 'The whole experiment'}\n\n{_about(keys[0].owner)}")
        parts.append("| key | value | default | tiny | what it says | read by |\n|---|---|---|---|---|---|")
        parts += [_row(key) for key in keys]
    return "\n".join(parts) + "\n"


def _about(owner: type[BaseModel]) -> str:
    """What a section is for: its class's docstring, or its module's."""
    if owner is Params:
        return "Beside the sections:\n"
    text = vars(owner).get("__doc__") or inspect.getmodule(owner).__doc__ or ""
    return f"{text.strip()}\n"


def _row(key: Key) -> str:
    default = None if key.field.is_required() else key.field.default
    cells = (
        f"`{key.name.rpartition('.')[2]}`",
        range_of(key.schema),
        "required" if key.field.is_required() else shown(default),
        "" if not key.field.is_required() and key.value == default else shown(key.value),
        comments_of(key.owner).get(key.field_name, ""),
        readers_of(key.name),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(write_page(load_params(ROOT / "params.yaml")), encoding="utf-8")
    print(PAGE)
