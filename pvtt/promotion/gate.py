"""The gate in front of the large run, and the record of who opened it.

Open only if the verdict is success and what was evaluated is exactly what is committed: the same code, params and data.
Every decision of a person, either way, becomes a line of `promotions/promotions.jsonl`. A line carries the hash of the
line before, so that a change anywhere breaks the chain from there on; and the file must begin with what HEAD holds of
it, so that nothing that was committed is changed or cut off.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.append import append_line, read_lines
from pvtt.files.git import committed_bytes, head_commit, uncommitted
from pvtt.files.hashing import sha256_bytes, sha256_tree
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_appended
from pvtt.records.decision import read_decision
from pvtt.records.evaluation import read_run
from pvtt.records.promotion import Evidence, Promotion, SignOff, TrainingPlan

PROMOTIONS = Path("promotions") / "promotions.jsonl"
NO_PREVIOUS = "0" * 64
NUM_NAMED = 5


def gather_evidence(workspace: Workspace, stale: Collection[str]) -> Evidence:
    """What the gate looks at.

    Args:
        workspace: The checkout.
        stale: Stages that DVC would redo.

    Raises:
        MissingInputError: Something hasn't run yet.
        PvttError: There is no commit, or earlier promotions are not what was recorded.
    """
    read_promotions(workspace.root)
    decision = read_decision(workspace.metrics / "decision.json")
    own_records = PROMOTIONS.parent.as_posix() + "/"
    return Evidence(
        verdict=decision.verdict,
        run_id=decision.run_id,
        evaluated_run_id=read_run(workspace.out("evaluate") / "run.json").run_id,
        commit=head_commit(workspace.root),
        data_version=_data_version(workspace.root / "data.dvc"),
        evaluated_data_version=_evaluated_data_version(workspace.root / "dvc.lock"),
        metrics_sha256=sha256_tree(workspace.metrics),
        uncommitted=tuple(path for path in uncommitted(workspace.root) if not path.startswith(own_records)),
        stale=tuple(sorted(stale)),
    )


def find_objections(evidence: Evidence) -> list[str]:
    """Why the gate stays shut; empty: it opens to a person's approval."""
    objections = []
    if evidence.verdict != "success":
        objections.append(f"the verdict is {evidence.verdict}, not success")
    if evidence.run_id != evidence.evaluated_run_id:
        objections.append(f"the decision is about run {evidence.run_id}, evaluated is {evidence.evaluated_run_id}")
    if evidence.stale:
        objections.append(f"the results are not of this code, params and data: {', '.join(evidence.stale)} are stale")
    if evidence.data_version != evidence.evaluated_data_version:
        objections.append(
            f"data.dvc is version {evidence.data_version[:12]}, evaluated was {evidence.evaluated_data_version[:12]}"
        )
    if evidence.uncommitted:
        more = f" and {len(evidence.uncommitted) - NUM_NAMED} more" if len(evidence.uncommitted) > NUM_NAMED else ""
        objections.append(f"not committed: {', '.join(evidence.uncommitted[:NUM_NAMED])}{more}")
    return objections


def require_open(evidence: Evidence) -> None:
    """Raise `PvttError` with every objection."""
    objections = find_objections(evidence)
    if objections:
        raise PvttError(
            f"run {evidence.run_id} cannot be promoted: {'; '.join(objections)}",
            "run `make run` (or `dvc repro`), commit dvc.lock, data.dvc and metrics, and read the report's verdict",
        )


def read_promotions(root: Path) -> list[Promotion]:
    """All decisions so far, oldest first.

    Raises:
        PvttError: The chain is broken: a line was changed, inserted or removed. Or the file does not begin with what
            HEAD holds of it, so that committed lines were changed, cut off or deleted.
    """
    path = root / PROMOTIONS
    committed = committed_bytes(root, PROMOTIONS.as_posix())
    if committed is not None and not (path.is_file() and path.read_bytes().startswith(committed)):
        raise PvttError(
            f"{path} is not what was committed, with lines added: promotions were changed, cut off or deleted",
            f"compare with `git diff HEAD -- {PROMOTIONS}`, put them back with `git checkout HEAD -- {PROMOTIONS}`",
        )
    promotions = read_appended(path, Promotion)
    previous = NO_PREVIOUS
    for number, (line, promotion) in enumerate(zip(_lines(path), promotions, strict=True), start=1):
        if (promotion.number, promotion.previous) != (number, previous):
            raise PvttError(
                f"{path}:{number}: the chain of promotions is broken here: the line before was changed or removed",
                f"compare with Git: `git log -p {PROMOTIONS}`",
            )
        previous = sha256_bytes(line)
    return promotions


def record_promotion(
    workspace: Workspace, sign_off: SignOff, evidence: Evidence, plan: TrainingPlan, command: str
) -> Promotion:
    """Append a decision; it is on the disk when this returns.

    Raises:
        PvttError: The chain so far is broken.
        LockedError: Another decision is being recorded.
        StorageError: It could not be written.
    """
    path = workspace.root / PROMOTIONS
    with hold_lock(workspace.state / "promotions.lock", "recording a promotion"):
        before = read_promotions(workspace.root)
        previous = sha256_bytes(_lines(path)[-1]) if before else NO_PREVIOUS
        promotion = Promotion(
            number=len(before) + 1,
            previous=previous,
            sign_off=sign_off,
            evidence=evidence,
            plan=plan,
            command=command,
        )
        append_line(path, promotion.to_json())
    return promotion


def _lines(path: Path) -> list[bytes]:
    return [line for line in read_lines(path) if line.strip()]


def _read_yaml(path: Path) -> Any:
    from ruamel.yaml import YAML

    if not path.is_file():
        raise MissingInputError(f"{path} does not exist", "run the pipeline first: `make run`")
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def _data_version(pointer: Path) -> str:
    """The hash in `data.dvc`."""
    return str(_read_yaml(pointer)["outs"][0]["md5"])


def _evaluated_data_version(lock: Path) -> str:
    """The hash of `data` that the first stage ran on, in `dvc.lock`."""
    for dep in _read_yaml(lock)["stages"].get("clip", {}).get("deps", ()):
        if dep["path"] == "data":
            return str(dep["md5"])
    raise MissingInputError(f"{lock} knows no data that clip ran on", "run the pipeline first: `make run`")
