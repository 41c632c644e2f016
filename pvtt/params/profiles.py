"""Profiles: overlays on `params.yaml` that take the same code from a laptop to a Superpod."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError
from pvtt.files.atomic import atomic_write_text
from pvtt.params.file import Params, parse_params


def _merge(target: Any, overlay: Any) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def load_overlay(directory: Path, name: str) -> dict[str, Any]:
    """A profile's overlay, with the profile that it `extends` below it.

    Raises:
        MissingInputError: There is no such profile; names those there are.
    """
    from ruamel.yaml import YAML

    path = directory / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in directory.glob("*.yaml")))
        raise MissingInputError(f"there is no profile {name} in {directory}", f"the profiles are: {names}")
    overlay: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    parent = overlay.pop("extends", None)
    if parent is None:
        return overlay
    merged = load_overlay(directory, parent)
    _merge(merged, overlay)
    return merged


def apply_profile(params_file: Path, directory: Path, name: str) -> Params:
    """Write profile `name` into `params_file`, comments and all other keys kept. Returns the checked params.

    Raises:
        ParamsError: The result does not fit the schema; the file is left as it was.
    """
    text, params = _overlay(params_file, directory, name)
    atomic_write_text(params_file, text)
    return params


def set_values(params_file: Path, values: Mapping[str, Any]) -> Params:
    """Write values into `params_file`, by key such as `train.stage1.steps`; comments and all else kept.

    Raises:
        ParamsError: The result does not fit the schema; the file is left as it was.
    """
    overlay: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        place = overlay
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    text, params = _merged(params_file, overlay)
    atomic_write_text(params_file, text)
    return params


def overlaid_params(params_file: Path, directory: Path, name: str) -> Params:
    """What `params_file` would hold under profile `name`; nothing is written. Raises as `apply_profile`."""
    return _overlay(params_file, directory, name)[1]


def _overlay(params_file: Path, directory: Path, name: str) -> tuple[str, Params]:
    return _merged(params_file, load_overlay(directory, name))


def _merged(params_file: Path, overlay: Mapping[str, Any]) -> tuple[str, Params]:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    document = yaml.load(params_file.read_text(encoding="utf-8"))
    _merge(document, overlay)
    text = io.StringIO()
    yaml.dump(document, text)
    params = parse_params(YAML(typ="safe", pure=True).load(text.getvalue()), str(params_file))
    return text.getvalue(), params
