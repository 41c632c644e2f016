"""Changes of params as people write them for `dvc exp run -S`: `train.stage1.lr=3e-5`."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from pvtt.errors import ParamsError

Values = dict[str, Any]


def parse_override(text: str) -> tuple[str, Any]:
    """A dotted key and its value, which is YAML: `encode.max_photos=1`, `model.conditioning=[mask_channels]`.

    Raises:
        ParamsError: There is no `=`, no key before it, or no YAML behind it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, separator, value = text.partition("=")
    key = key.strip()
    if not separator or not all(key.split(".")):
        raise ParamsError(f"{text!r} is no change of params", "write key=value, for example train.stage1.lr=3e-5")
    try:
        return key, YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        raise ParamsError(f"{text!r}: {value!r} is not YAML", "lists are written [a,b], texts without quotes") from None


def overridden(values: Values, overrides: Iterable[str]) -> Values:
    """A copy of parsed params with the overrides applied, the last of a key last. What comes out is not checked.

    Raises:
        ParamsError: An override cannot be parsed, or leads into a value that has no keys.
    """
    changed = copy.deepcopy(values)
    for text in overrides:
        key, value = parse_override(text)
        *sections, name = key.split(".")
        place = changed
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ParamsError(f"{text!r}: {section} is a value and has no keys", "see docs/params.md for the keys")
        place[name] = value
    return changed


def value_of(values: Values, key: str) -> Any:
    """The value, or the section, at a dotted key. Raises `KeyError`."""
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found
