"""What all experiments of an ablation share, fixed when it begins: code, params, data, models.

A queue runs for hours, and meanwhile the checkout is edited. So the code is copied into the ablation's folder and each
experiment's workspace links to the copy: what ran is what was hashed, and the table is of one code. A checkout that
differs from the basis is refused until the person asks for a new one; then only what depends on the change is done
again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pvtt.ablation.spec import Ablation
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.files.code import PACKAGE, running_root
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from pvtt.params.overrides import Values
from pvtt.records.base import Record, parse_record
from pvtt.records.dataset import ENTRIES_FILE
from pvtt.stages.all import find_stage
from pvtt.stages.stage import Stage

STAGE_NAMES = ("encode", "train_stage1", "train_stage2", "evaluate")
BASIS_FILE = "basis.json"
SITE = "site"  # the sample shop's media: no experiment reads them
RENEW = (
    "run again with --renew to take what is here now (only what depends on it is done again), or bring back what was"
)


class Basis(Record):
    """What experiments have in common."""

    code: dict[str, str]  # stage → hash of the source that its results depend on
    params: dict[str, Any]  # the project's, with defaults
    inputs: dict[str, str]  # what experiments read and don't make → hash

    @property
    def id(self) -> str:
        return sha256_json([self.code, self.params, self.inputs])

    @property
    def code_id(self) -> str:
        return sha256_json(self.code)[:16]


def stages() -> tuple[Stage, ...]:
    """The stages of an experiment, in order."""
    found = tuple(find_stage(name) for name in STAGE_NAMES)
    return tuple(stage for stage in found if stage is not None)


def read_keys() -> frozenset[str]:
    """The keys of params that an experiment's stages depend on."""
    return frozenset(key for stage in stages() for key in stage.params)


def project_values(project: Workspace) -> Values:
    """The project's params, defaults included. Raises as `load_params`."""
    values: Values = json.loads(load_params(project.params_file).model_dump_json(by_alias=True))
    return values


def describe_basis(ablation: Ablation, project: Workspace) -> Basis:
    """What is here now.

    Args:
        ablation: Which says where the data are.
        project: The checkout that the ablation is run in.

    Raises:
        MissingInputError: There are no data, or no models.
    """
    from pvtt.training.job import quick_sha256_tree

    data = data_workspace(ablation, project)
    entries = data.out("validate") / ENTRIES_FILE
    if not entries.is_file():
        raise MissingInputError(
            f"{entries} does not exist",
            f"make the data that the ablation names ({ablation.data}): the project's own by `dvc repro validate`, "
            "filmed pairs by `pvtt wan-tiny takes` and `pvtt wan-tiny workspace`",
        )
    models = project.root / "models"
    if not models.is_dir():
        raise MissingInputError(f"{models} does not exist", "restore it with `git checkout models`")
    # The entries hold the hashes of all clips, masks and photos.
    inputs = {ENTRIES_FILE: sha256_file(entries)}
    inputs |= {folder.name: quick_sha256_tree(folder) for folder in sorted(models.iterdir()) if folder.is_dir()}
    return Basis(
        code={stage.name: _code_sha256(stage) for stage in stages()}, params=project_values(project), inputs=inputs
    )


def data_workspace(ablation: Ablation, project: Workspace) -> Workspace:
    """The workspace whose clips, masks and photos all experiments read."""
    return Workspace((project.root / ablation.data).resolve())


def _code_sha256(stage: Stage) -> str:
    return sha256_json([[name, sha256_file(path)] for name, path in stage.code_files().items()])


def read_basis(folder: Path) -> Basis | None:
    """The basis of an ablation; None before its first run. Raises `PvttError` if the file is damaged."""
    path = folder / BASIS_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    return parse_record(Basis, text, path, f"remove {path} and run again: finished experiments are kept")


def fix_basis(ablation: Ablation, project: Workspace, folder: Path, *, renew: bool) -> Basis:
    """The basis to run on: the ablation's own, or, at its first run or on demand, what is here now.

    Args:
        ablation: The file.
        project: The checkout that the ablation is run in.
        folder: The ablation's.
        renew: Take what is here now, whatever was before.

    Raises:
        PvttError: Code, params or data are others than when the ablation began; says which.
        LockedError: Another process is here at the same moment.
    """
    here = describe_basis(ablation, project)
    with hold_lock(folder / "basis.lock", "pvtt ablate run"):
        known = read_basis(folder)
        if known is not None and known != here and not renew:
            raise PvttError(f"since {folder.name} began, {_difference(known, here)} changed", RENEW)
        if not code_folder(folder, here).is_dir():
            with atomic_directory(code_folder(folder, here)) as copy:
                ignored = shutil.ignore_patterns("__pycache__", SITE)
                shutil.copytree(running_root() / PACKAGE, copy / PACKAGE, ignore=ignored)
        if known != here:
            atomic_write_text(folder / BASIS_FILE, here.to_json(indent=1) + "\n")
    return here


def code_folder(folder: Path, basis: Basis) -> Path:
    """Where the copy of the code lies: the folder that holds `pvtt`."""
    return folder / "code" / basis.code_id


def _difference(old: Basis, new: Basis) -> str:
    """What changed, in words."""
    changed = [f"the code of {name}" for name in STAGE_NAMES if old.code.get(name) != new.code.get(name)]
    changed += [f"params.yaml ({key})" for key in _changed_keys(old.params, new.params)]
    names = sorted({*old.inputs, *new.inputs})
    changed += [
        "the data" if name == ENTRIES_FILE else f"models/{name}"
        for name in names
        if old.inputs.get(name) != new.inputs.get(name)
    ]
    return ", ".join(changed)


def _changed_keys(old: Any, new: Any, prefix: str = "") -> list[str]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [prefix] if old != new else []
    return [
        key
        for name in sorted({*old, *new})
        for key in _changed_keys(old.get(name), new.get(name), f"{prefix}.{name}".lstrip("."))
    ]
