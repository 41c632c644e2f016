"""`promotions/promotions.jsonl`: every answer of a person, and every promotion taken back. It only grows.

A line carries the hash of the line before, so that a change anywhere breaks the chain from there on; and the file must
begin with what HEAD holds of it, so that nothing that was committed is changed or cut off. A line that says that its
commit is signed must be in one whose signature holds, and after a signed line there is no unsigned one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pvtt.errors import GateShutError, MissingInputError
from pvtt.files.append import append_line, read_lines
from pvtt.files.git import commit as git_commit
from pvtt.files.git import commits_of_lines, committed_bytes, signature_fault
from pvtt.files.hashing import sha256_bytes, sha256_file
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_appended, read_jsonl, write_jsonl
from pvtt.records.promotion import Entry, PromotedSample, Promotion, PromotionLine, Rollback

PROMOTIONS = Path("promotions") / "promotions.jsonl"
SAMPLES = PROMOTIONS.parent / "samples"
NO_PREVIOUS = "0" * 64

EntryT = TypeVar("EntryT", bound=Entry)


def read_promotions(root: Path) -> list[Promotion | Rollback]:
    """All lines so far, oldest first.

    Raises:
        GateShutError: The chain is broken: a line was changed, inserted or removed. Or the file does not begin with
            what HEAD holds of it, so that committed lines were changed, cut off or deleted. Or a signature is missing
            or does not hold.
        PvttError: A line is no record of a promotion.
    """
    path = root / PROMOTIONS
    committed = committed_bytes(root, PROMOTIONS.as_posix())
    if committed is not None and not (path.is_file() and path.read_bytes().startswith(committed)):
        raise GateShutError(
            f"{path} is not what was committed, with lines added: promotions were changed, cut off or deleted",
            f"compare with `git diff HEAD -- {PROMOTIONS}`, put them back with `git checkout HEAD -- {PROMOTIONS}`",
        )
    entries = [line.root for line in read_appended(path, PromotionLine)]
    previous = NO_PREVIOUS
    for number, (line, entry) in enumerate(zip(_lines(path), entries, strict=True), start=1):
        if (entry.number, entry.previous) != (number, previous):
            raise GateShutError(
                f"{path}:{number}: the chain of promotions is broken here: the line before was changed or removed",
                f"compare with Git: `git log -p {PROMOTIONS}`",
            )
        previous = sha256_bytes(line)
    _verify_signatures(root, entries, committed)
    return entries


def _verify_signatures(root: Path, entries: Sequence[Promotion | Rollback], committed: bytes | None) -> None:
    must_be, commits = False, commits_of_lines(root, PROMOTIONS.as_posix()) if committed else []
    for number, entry in enumerate(entries):
        where = f"{root / PROMOTIONS}:{number + 1}"
        if must_be and not entry.sign_off.signed:
            raise GateShutError(
                f"{where}: this line is unsigned, those before it are signed",
                f"see who added it: `git log -p {PROMOTIONS}`; who promotes here needs a Git signing key",
            )
        must_be = entry.sign_off.signed
        if must_be and number >= len(commits):
            raise GateShutError(
                f"{where}: this line says that its commit is signed, and it is in none",
                f"commit it with `git commit --gpg-sign {PROMOTIONS.parent}`, or take it out by hand",
            )
        fault = signature_fault(root, commits[number]) if must_be else None
        if fault is not None:
            raise GateShutError(
                f"{where}: the signature of commit {commits[number][:12]} does not hold here: {fault}",
                "if the key is good, tell Git to trust it (of SSH keys: gpg.ssh.allowedSignersFile)",
            )


def in_force(entries: Sequence[Promotion | Rollback]) -> Promotion | None:
    """The champion's promotion: the last one that was approved and not taken back; None where there is none."""
    withdrawn = {entry.withdraws for entry in entries if isinstance(entry, Rollback)}
    approved = [
        entry
        for entry in entries
        if isinstance(entry, Promotion) and entry.sign_off.outcome == "approved" and entry.number not in withdrawn
    ]
    return approved[-1] if approved else None


def add(workspace: Workspace, entry: EntryT) -> EntryT:
    """Append a line, with the number and the hash of the line before in it; it is on the disk when this returns.

    Args:
        workspace: The checkout.
        entry: The line, whatever number and hash it has.

    Raises:
        PvttError: As `read_promotions`.
        LockedError: Another line is being recorded.
        StorageError: It could not be written.
    """
    path = workspace.root / PROMOTIONS
    with hold_lock(workspace.state / "promotions.lock", "recording a promotion"):
        entry = numbered(workspace.root, entry)
        append_line(path, entry.to_json())
    return entry


def numbered(root: Path, entry: EntryT) -> EntryT:
    """The same line with its number and the hash of the line before in it. Raises as `read_promotions`."""
    before = read_promotions(root)
    previous = sha256_bytes(_lines(root / PROMOTIONS)[-1]) if before else NO_PREVIOUS
    return entry.model_copy(update={"number": len(before) + 1, "previous": previous})


def commit_entry(workspace: Workspace, entry: Promotion | Rollback, also: Sequence[str] = ()) -> None:
    """Commit what was recorded, and `also` these paths, signed where the line says so.

    Raises:
        PvttError: Git refuses.
    """
    sign_off = entry.sign_off
    if isinstance(entry, Rollback):
        title = f"Promotion {entry.withdraws} rolled back by {sign_off.person}"
    else:
        title = f"Promotion of run {entry.run.run_id}: {sign_off.outcome} by {sign_off.person}"
    paths = [PROMOTIONS.parent.as_posix(), *also]
    git_commit(workspace.root, paths, f"{title}\n\n{sign_off.reason}", sign=sign_off.signed)


def write_samples(root: Path, run_id: str, samples: Sequence[PromotedSample]) -> str:
    """Keep what a promoted model reached on its samples; returns the file's hash."""
    path = _samples_path(root, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, samples)
    return sha256_file(path)


def read_samples(root: Path, promotion: Promotion) -> list[PromotedSample]:
    """What a promoted model reached on its samples.

    Raises:
        MissingInputError: The file is not there.
        GateShutError: It is not the one that was recorded.
    """
    path = _samples_path(root, promotion.run.run_id)
    if not path.is_file():
        raise MissingInputError(f"{path} does not exist", f"put it back: `git checkout HEAD -- {SAMPLES}`")
    if sha256_file(path) != promotion.samples_sha256:
        raise GateShutError(
            f"{path} is not what promotion {promotion.number} recorded", f"compare with `git log -p {SAMPLES}`"
        )
    return read_jsonl(path, PromotedSample)


def _samples_path(root: Path, run_id: str) -> Path:
    return root / SAMPLES / f"{run_id}.jsonl"


def _lines(path: Path) -> list[bytes]:
    return [line for line in read_lines(path) if line.strip()]
