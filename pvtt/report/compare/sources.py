"""A run by the name that a person gives it: a folder of a workspace, a revision of Git, or an experiment of DVC."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pvtt.errors import MissingInputError, ParamsError, PvttError
from pvtt.files.git import commit_time, committed_bytes, find_commit
from pvtt.params.file import parse_params
from pvtt.records.base import RecordT, parse_record
from pvtt.records.decision import Decision
from pvtt.records.evaluation import EVALUATED_FILE, EvaluatedSample, EvaluationMetrics, EvaluationRun
from pvtt.report.compare.files import CommitFiles, FolderFiles, RunFiles

METRICS, DECISION, PARAMS = "metrics/evaluate.json", "metrics/decision.json", "params.yaml"
EVALUATED = "outs/evaluate"
OTHER_VERSION = "another version of the project wrote it: compare with a later commit, or reproduce that one"

Kind = Literal["folder", "commit"]


@dataclass(frozen=True)
class Run:
    """What a run left.

    Args:
        name: As the person gave it.
        kind: Whether it is read from a folder or from a commit.
        files: Where its files are read; places in `samples` are relative to `outs/evaluate` in them.
        commit: The full hash of the commit that it is of; None for a folder whose metrics no commit at HEAD holds.
        date: When that commit was made, ISO 8601.
        params: Its params, by dotted key; with defaults where this code knows all of its keys.
        metrics: What it measured.
        decision: What was decided on it; None: not decided.
        run: How it was measured; None where that is not here.
        samples: Its samples one by one; empty where they are not here.
        missing: Why `run` or `samples` are not here.
    """

    name: str
    kind: Kind
    files: RunFiles
    commit: str | None
    date: str | None
    params: dict[str, Any]
    metrics: EvaluationMetrics
    decision: Decision | None
    run: EvaluationRun | None
    samples: tuple[EvaluatedSample, ...]
    missing: str | None


def find_run(name: str, root: Path, start: Path) -> Run:
    """The run of that name.

    Args:
        name: A folder with a workspace, relative to `start`; else a revision of Git, or a DVC experiment's name.
        root: The workspace whose history is searched.
        start: Where the person is.

    Raises:
        MissingInputError: There is no such run, or it has no metrics.
        PvttError: One of its files is not in its format.
    """
    folder = start / name
    if _is_folder(folder):
        return _of_folder(name, folder.resolve())
    commit = find_commit(root, name)
    if commit is None:
        raise MissingInputError(
            f"{name!r} is no folder, no revision of Git and no experiment of DVC",
            "`git log --oneline -- metrics` lists commits of metrics, `dvc exp show` experiments",
        )
    return _read(name, "commit", CommitFiles(root, commit), commit, commit_time(root, commit))


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir() and any((folder / known).exists() for known in ("metrics", PARAMS))
    except (OSError, ValueError):  # too long a name, or one with a null byte
        return False


def _of_folder(name: str, root: Path) -> Run:
    files = FolderFiles(root)
    here = files.read(METRICS)
    commit = find_commit(root, "HEAD") if here is not None and here == committed_bytes(root, METRICS) else None
    return _read(name, "folder", files, commit, None if commit is None else commit_time(root, commit))


def _read(name: str, kind: Kind, files: RunFiles, commit: str | None, date: str | None) -> Run:
    metrics = _record(files, METRICS, EvaluationMetrics, name)
    if metrics is None:
        raise MissingInputError(
            f"{name} has no {METRICS}",
            "run `dvc repro evaluate` there first"
            if kind == "folder"
            else "`git log -- metrics` lists commits with it",
        )
    run = _record(files, f"{EVALUATED}/run.json", EvaluationRun, name)
    samples: tuple[EvaluatedSample, ...] = ()
    missing = None
    if run is None:
        missing = f"{EVALUATED} of {name} is not here; `dvc fetch` brings it where a remote has it"
    elif run.run_id != metrics.run_id:
        missing = f"{EVALUATED} of {name} is of run {run.run_id}, its metrics are of {metrics.run_id}: `dvc repro`"
        run = None
    else:
        samples = _samples(files, name)
        missing = None if samples else f"the samples of {name} are not here; `dvc fetch` brings them"
    return Run(
        name=name,
        kind=kind,
        files=files,
        commit=commit,
        date=date,
        params=_params(files, name),
        metrics=metrics,
        decision=_record(files, DECISION, Decision, name),
        run=run,
        samples=samples,
        missing=missing,
    )


def _record(files: RunFiles, path: str, kind: type[RecordT], name: str) -> RecordT | None:
    text = files.read(path)
    return None if text is None else parse_record(kind, text, f"{path} of {name}", OTHER_VERSION)


def _samples(files: RunFiles, name: str) -> tuple[EvaluatedSample, ...]:
    path = f"{EVALUATED}/{EVALUATED_FILE}"
    lines = (files.read(path) or b"").splitlines()
    return tuple(
        parse_record(EvaluatedSample, line, f"{path}:{number} of {name}", OTHER_VERSION)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def _params(files: RunFiles, name: str) -> dict[str, Any]:
    """By dotted key. Those of another version of the code are taken as they stand, without defaults."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = files.read(PARAMS)
    if text is None:
        return {}
    try:
        values = YAML(typ="safe", pure=True).load(text.decode("utf-8"))
        json.dumps(values, allow_nan=False)
    except (YAMLError, UnicodeDecodeError, TypeError, ValueError, RecursionError):
        raise ParamsError(f"{PARAMS} of {name} is not YAML of plain values", "restore it with `git checkout`") from None
    with suppress(PvttError):
        values = json.loads(parse_params(values, PARAMS).model_dump_json(by_alias=True))
    return dict(_flat(values, ""))


def _flat(values: Any, prefix: str) -> list[tuple[str, Any]]:
    if not isinstance(values, dict) or not values:
        return [(prefix, values)] if prefix else []
    return [item for key, value in values.items() for item in _flat(value, f"{prefix}.{key}" if prefix else str(key))]
