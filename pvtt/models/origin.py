"""Where a model's files came from is no part of the model.

Diffusers and transformers note in a model's configuration the folder that it was loaded from, and how. Here that is
left out of what is saved and of what is hashed: the same weights are the same model on every machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pvtt.files.atomic import atomic_write_text
from pvtt.files.hashing import sha256_bytes, sha256_file, sha256_json

ORIGIN_KEYS = ("_name_or_path", "name_or_path", "is_local", "local_files_only")
CONFIG_FILES = ("config.json", "*_config.json", "model_index.json")


def forget_origin(folder: Path) -> None:
    """Take the origin out of all configurations below a folder that `save_pretrained` has written."""
    for path in _files(folder):
        config = _read_config(path)
        if config is not None and any(key in config for key in ORIGIN_KEYS):
            # As the libraries write it, so that it makes no difference whether there was an origin.
            as_ascii = path.read_text(encoding="utf-8").isascii()
            text = json.dumps(_without_origin(config), indent=2, ensure_ascii=as_ascii) + "\n"
            atomic_write_text(path, text)


def model_sha256(folder: Path) -> str:
    """Hexadecimal SHA-256 over the names and contents of a model's files, without its origin.

    Configurations count by their values, not by how they are laid out. Hidden files do not count: `hf download` keeps
    its notes in some.
    """
    return sha256_json([[path.relative_to(folder).as_posix(), _content_sha256(path)] for path in _files(folder)])


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _content_sha256(path: Path) -> str:
    config = _read_config(path)
    if config is None:
        return sha256_file(path)
    # Not `sha256_json`, which refuses the infinities that schedulers' configurations hold.
    return sha256_bytes(json.dumps(_without_origin(config), sort_keys=True).encode())


def _read_config(path: Path) -> dict[str, Any] | None:
    """A configuration file's values; None for any other file, and for one that is no JSON object."""
    if not any(path.match(pattern) for pattern in CONFIG_FILES):
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return config if isinstance(config, dict) else None


def _without_origin(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ORIGIN_KEYS}
