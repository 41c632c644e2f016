"""Takes the promotion in force back, and puts the one before it back in its place: record, params and model.

    the model of the promotion before, from DVC ──► models/champion
    what is to be recorded ──► .pvtt/rollback.json ──► promotions.jsonl, params.yaml ──► a commit

Until `rollback.json` is there, nothing has changed but `models/champion`. From then on a run that was killed is
finished by the next one: each step may be done twice. What a person changed meanwhile is never written over.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

from pvtt.errors import GateShutError, ParamsError, PvttError
from pvtt.files.atomic import atomic_directory, atomic_write_bytes, atomic_write_text, scratch_directory
from pvtt.files.git import committed_bytes, uncommitted
from pvtt.files.hashing import sha256_bytes
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.models.origin import model_sha256
from pvtt.params.file import load_params
from pvtt.promotion.gate import own_account
from pvtt.promotion.ledger import NO_PREVIOUS, PROMOTIONS, commit_entry, in_force, numbered, read_promotions
from pvtt.promotion.outcome import sign_off
from pvtt.promotion.tags import ARTIFACT, STAGE, tag_promotions, version_of
from pvtt.records.base import Record, parse_record
from pvtt.records.promotion import Promotion, Rollback

CHAMPION = Path("models") / "champion"
PENDING = "rollback.json"  # in .pvtt/
LOCK = "rollback.lock"


class Pending(Record):
    """`.pvtt/rollback.json`: a rollback that is under way."""

    schema_version: Literal[1] = 1
    rollback: Rollback
    params_commit: str | None  # whose params.yaml comes back; None: it stays as it is


def roll_back(workspace: Workspace, person: str, reason: str, *, record_only: bool = False) -> Rollback:
    """Take the promotion in force back. Both lines stay on record, and the one before it is in force again.

    Its model comes back to `models/champion` and its params to params.yaml, all in one commit with the record. A
    rollback that was killed is finished instead, and no other begun.

    Args:
        workspace: The checkout, all of it committed.
        person: Who takes it back: anyone may, since a stop must not wait for a second person.
        reason: Why.
        record_only: Leave model and params as they are.

    Raises:
        GateShutError: Nothing is in force, or something is not committed, or what DVC has is not the model of then.
        LockedError: Another rollback is under way.
        PvttError: The person or reason is empty, the record is not what it was, or DVC cannot bring the model.
    """
    with hold_lock(workspace.state / LOCK, "rolling a promotion back"):
        pending = read_pending(workspace)
        if pending is None:
            pending = _begin(workspace, person, reason, record_only)
        _finish(workspace, pending)
        return pending.rollback


def read_pending(workspace: Workspace) -> Pending | None:
    """The rollback that was killed; None: there is none. Raises `PvttError` where it cannot be read."""
    path = workspace.state / PENDING
    if not path.is_file():
        return None
    return parse_record(Pending, path.read_bytes(), str(path), "look at `git status`, then delete it")


def steps(workspace: Workspace, *, record_only: bool = False) -> list[str]:
    """What `roll_back` would do, as commands that a person could type; nothing is written.

    Raises:
        GateShutError: Nothing is in force.
        PvttError: The record is not what it was.
    """
    champion, before = _in_force(workspace)
    commands = []
    if before is not None and not record_only:
        commit = before.evidence.commit[:12]
        commands += [
            f"dvc get . {before.run.model} --rev {commit} -o {CHAMPION}",
            f"git checkout {commit} -- {workspace.params_file.name}",
        ]
    return [
        *commands,
        f"# a line in {PROMOTIONS}: promotion {champion.number} is rolled back",
        f"git commit --only {PROMOTIONS.parent} {workspace.params_file.name}",
        f"# a tag {ARTIFACT}#{STAGE}: {'none' if before is None else version_of(before)} is in force",
    ]


def _in_force(workspace: Workspace) -> tuple[Promotion, Promotion | None]:
    """The champion's promotion, and the one that is in force without it."""
    entries = read_promotions(workspace.root)
    champion = in_force(entries)
    if champion is None:
        raise GateShutError("no promotion is in force: there is nothing to roll back", f"read {PROMOTIONS}")
    return champion, in_force([entry for entry in entries if entry is not champion])


def _begin(workspace: Workspace, person: str, reason: str, record_only: bool) -> Pending:
    """All that can go wrong, before anything is recorded."""
    champion, before = _in_force(workspace)
    changed = uncommitted(workspace.root)
    if changed:
        raise GateShutError(
            f"not committed: {', '.join(changed[:5])}{' and more' if len(changed) > 5 else ''}",
            "commit it or put it away (`git stash -u`): a rollback commits params.yaml and promotions/",
        )
    word = sign_off(workspace, "rolled_back", person, reason, own_account(workspace), None)
    entry = numbered(workspace.root, Rollback(number=1, previous=NO_PREVIOUS, sign_off=word, withdraws=champion.number))
    commit = None
    if before is not None and not record_only:
        _put_model_back(workspace, before)
        commit = before.evidence.commit
        _params_of(workspace, commit)
    pending = Pending(rollback=entry, params_commit=commit)
    atomic_write_text(workspace.state / PENDING, pending.to_json() + "\n")
    return pending


def _finish(workspace: Workspace, pending: Pending) -> None:
    """Write and commit what is pending, whatever of it is done already."""
    root, line = workspace.root, pending.rollback.to_json().encode()
    committed = committed_bytes(root, PROMOTIONS.as_posix()) or b"\n"
    if line not in committed.splitlines():
        if sha256_bytes(committed.splitlines()[-1]) != pending.rollback.previous:
            raise GateShutError(
                f"{PROMOTIONS} has lines that were not there when this rollback began: it is out of date",
                f"delete {workspace.state / PENDING}, and roll back again if it is still wanted",
            )
        newline = b"\n" if committed and not committed.endswith(b"\n") else b""
        wanted = {root / PROMOTIONS: (committed, committed + newline + line + b"\n")}
        if pending.params_commit is not None:
            name = workspace.params_file.name
            then = _params_of(workspace, pending.params_commit)
            wanted[workspace.params_file] = (committed_bytes(root, name) or b"", then)
        for path, (before, after) in wanted.items():
            if path.is_file() and path.read_bytes() not in (before, after):
                raise GateShutError(
                    f"{path} was changed while a rollback was unfinished",
                    f"put it back (`git checkout HEAD -- {path.relative_to(root)}`), then run the same command again",
                )
        for path, (_, after) in wanted.items():
            if not path.is_file() or path.read_bytes() != after:
                atomic_write_bytes(path, after)
        commit_entry(workspace, pending.rollback, also=[workspace.params_file.name])
    tag_promotions(root)
    (workspace.state / PENDING).unlink(missing_ok=True)


def _params_of(workspace: Workspace, commit: str) -> bytes:
    """params.yaml of a commit. Raises `ParamsError` where this code cannot read it."""
    name = workspace.params_file.name
    content = committed_bytes(workspace.root, name, commit)
    with scratch_directory() as place:
        (place / name).write_bytes(content or b"")
        try:
            load_params(place / name)
        except ParamsError as error:
            raise ParamsError(
                f"{name} of commit {commit[:12]} does not fit this code: {error.message}",
                "roll back with --record-only, and mend params.yaml by hand",
            ) from None
    return content or b""


def _put_model_back(workspace: Workspace, promotion: Promotion) -> None:
    """Its model in `models/champion`, from DVC, unless it is there."""
    target, commit = workspace.root / CHAMPION, promotion.evidence.commit
    if _is_its_model(target, promotion):
        return
    with scratch_directory(target.parent) as place:
        command = ["get", ".", promotion.run.model, "--rev", commit, "-o", str(place / "model")]
        answer = subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=workspace.root, capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            said = [line.strip() for line in answer.stderr.splitlines() if line.strip()] or ["no message"]
            raise PvttError(
                f"DVC cannot bring back the model of promotion {promotion.number}: {said[-1]}",
                f"`dvc fetch --rev {commit[:12]}` brings it where a remote has it; --record-only rolls back without it",
            )
        if not _is_its_model(place / "model", promotion):
            raise GateShutError(
                f"what DVC has of commit {commit[:12]} is not the model of promotion {promotion.number}",
                "someone changed DVC's cache: fetch it anew, or roll back with --record-only",
            )
        with atomic_directory(target) as out:
            for path in (place / "model").iterdir():
                path.rename(out / path.name)


def _is_its_model(folder: Path, promotion: Promotion) -> bool:
    transformer = folder / "transformer"
    return transformer.is_dir() and model_sha256(transformer) == promotion.transformer_sha256
