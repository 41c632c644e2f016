"""Profiles: overlays that take the same code from a laptop to a Superpod.

extends: defaults    the schema's own values below it: nothing that params.yaml tunes to its own profile is left
extends: <profile>   another profile below it
(neither)            what params.yaml holds below it

keeps: [seed, crawl.start]    keys that stay as params.yaml has them: whose they are does not depend on the scale
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError, ParamsError
from pvtt.files.atomic import atomic_write_text
from pvtt.params.file import Params, parse_params
from pvtt.records.base import Record

DEFAULTS = "defaults"  # what a profile `extends` that starts from the schema's own values


@dataclass(frozen=True)
class Overlay:
    """A profile, with those that it extends below it.

    Args:
        values: What it sets.
        origins: The profile that sets each key, by dotted key.
        from_defaults: Keys that none of them sets have the schema's default; else what params.yaml holds.
        keeps: Keys and sections that stay as params.yaml has them.
    """

    values: dict[str, Any]
    origins: dict[str, str] = field(default_factory=dict)
    from_defaults: bool = False
    keeps: tuple[str, ...] = ()

    def is_kept(self, key: str) -> bool:
        """Whether a dotted key stays as params.yaml has it."""
        return any(key == name or key.startswith(f"{name}.") for name in self.keeps)


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: the profile's file that sets it, params.yaml, or the schema's default."""

    value: Any
    source: str


def _merge(target: Any, overlay: Any) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def profile_names(directory: Path) -> list[str]:
    """The profiles that there are."""
    return sorted(file.stem for file in directory.glob("*.yaml"))


def load_overlay(directory: Path, name: str) -> Overlay:
    """A profile's overlay, with the profile that it `extends` below it.

    Raises:
        MissingInputError: There is no such profile; names those there are.
        ParamsError: The file is no overlay, or profiles extend each other in a circle.
    """
    return _load(directory, name, ())


def _load(directory: Path, name: str, above: tuple[str, ...]) -> Overlay:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = directory / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(profile_names(directory))
        raise MissingInputError(f"there is no profile {name} in {directory}", f"the profiles are: {names}")
    if name in above:
        raise ParamsError(f"{path}: profiles extend each other: {' → '.join((*above, name))}", "correct `extends`")
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML: {' '.join(str(error).split())}", "compare poc.yaml beside it") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path} holds no keys of params.yaml", "compare poc.yaml beside it")
    parent, keeps = values.pop("extends", None), values.pop("keeps", [])
    if not isinstance(keeps, list) or not all(isinstance(key, str) for key in keeps):
        raise ParamsError(f"{path}: keeps is {keeps!r}", "list keys there, for example keeps: [seed, crawl.start]")
    origins = dict.fromkeys((key for key, _ in _leaves(values)), name)
    if parent is None or parent == DEFAULTS:
        return Overlay(values, origins, parent == DEFAULTS, tuple(keeps))
    below = _load(directory, str(parent), (*above, name))
    _merge(below.values, values)
    return Overlay(below.values, below.origins | origins, below.from_defaults, (*below.keeps, *keeps))


def apply_profile(params_file: Path, directory: Path, name: str) -> Params:
    """Write profile `name` into `params_file`, comments kept. Returns the checked params.

    Raises:
        MissingInputError, ParamsError: As `load_overlay`, or the result does not fit the schema; the file is left as it
            was.
    """
    text, params = _merged(params_file, load_overlay(directory, name))
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
    text, params = _merged(params_file, Overlay(overlay))
    atomic_write_text(params_file, text)
    return params


def overlaid_params(params_file: Path, directory: Path, name: str) -> Params:
    """What `params_file` would hold under profile `name`; nothing is written. Raises as `apply_profile`."""
    return _merged(params_file, load_overlay(directory, name))[1]


def origins(params_file: Path, directory: Path, name: str | None = None) -> dict[str, Origin]:
    """Every key of the schema, with its value under a profile and where that comes from. Raises as `apply_profile`.

    Args:
        params_file: The file below the profile.
        directory: Of the profiles.
        name: The profile; None: params.yaml as it stands.
    """
    overlay = Overlay({}) if name is None else load_overlay(directory, name)
    params = _merged(params_file, overlay)[1]
    in_file = dict(_leaves(_read(params_file)))
    found = {}
    for key, value in _fields(params):
        stays = overlay.is_kept(key) or not overlay.from_defaults
        source = overlay.origins.get(key) or (params_file.name if stays and key in in_file else "default")
        found[key] = Origin(value, source)
    return found


def _merged(params_file: Path, overlay: Overlay) -> tuple[str, Params]:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    document = _read(params_file, yaml)
    if overlay.from_defaults:
        _reset(document, Params, overlay)
    _merge(document, overlay.values)
    text = io.StringIO()
    yaml.dump(document, text)
    params = parse_params(YAML(typ="safe", pure=True).load(text.getvalue()), str(params_file))
    return text.getvalue(), params


def _read(params_file: Path, yaml: Any = None) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    restore = "restore it with `git checkout params.yaml`"
    try:
        document = (yaml or YAML(typ="safe", pure=True)).load(params_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(
            f"{params_file} does not exist", f"run inside the project's folder, or {restore}"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{params_file} is not YAML: {' '.join(str(error).split())}", restore) from None
    if not isinstance(document, dict):
        raise ParamsError(f"{params_file} holds no keys", restore)
    return document


def _reset(section: Any, schema: type[Record], overlay: Overlay, prefix: str = "") -> None:
    """Give the keys of a section their defaults, but for those that the overlay sets or keeps. What has no default is
    taken out: a profile that forgets it is refused, rather than given another profile's value."""
    for name, inner in schema.model_fields.items():
        key = inner.alias or name
        place = prefix + key
        if key not in section or place in overlay.origins or overlay.is_kept(place):
            continue
        if isinstance(inner.annotation, type) and issubclass(inner.annotation, Record):
            if isinstance(section[key], dict):
                _reset(section[key], inner.annotation, overlay, f"{place}.")
        elif inner.is_required():
            del section[key]
        else:
            section[key] = json.loads(json.dumps(inner.default))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _fields(section: Record, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values of the schema's own keys, in its order, as they stand in JSON."""
    dumped = json.loads(section.model_dump_json(by_alias=True))
    for name, inner in type(section).model_fields.items():
        key, value = inner.alias or name, getattr(section, name)
        if isinstance(value, Record):
            yield from _fields(value, f"{prefix}{key}.")
        else:
            yield prefix + key, dumped[key]
