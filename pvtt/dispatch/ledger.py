"""What was sent to Slurm and what came of it, in `.pvtt/slurm/jobs.sqlite`, so that the next process finds it.

    submission   one job or job array: what was called (its key), where its files are, how it went
    attempt      one start of one job or task: a requeued job has several

A submission is noted before it is sent, so that none is unknown; its job id right after. Written by the process that
waits, one a stage at a time; read by `pvtt jobs` meanwhile.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pvtt.dispatch.tell import tell
from pvtt.errors import PvttError
from pvtt.files.storage import storage_errors
from pvtt.records.base import Record

VERSION = 1
WAIT_S = 30.0  # for another process's write
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS submission (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stage TEXT NOT NULL, kind TEXT NOT NULL, call TEXT NOT NULL,
    folder TEXT NOT NULL, job_name TEXT NOT NULL, job_id TEXT, num_tasks INTEGER NOT NULL, num_ranks INTEGER NOT NULL,
    gpus INTEGER NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL, driver TEXT NOT NULL, submitted_at TEXT NOT NULL,
    closed_at TEXT
);
CREATE TABLE IF NOT EXISTS attempt (
    submission INTEGER NOT NULL REFERENCES submission (id), job_id TEXT NOT NULL, attempt INTEGER NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, node TEXT NOT NULL, started_at TEXT, ended_at TEXT, log TEXT NOT NULL,
    PRIMARY KEY (submission, job_id, attempt)
);
PRAGMA user_version = {VERSION};
"""


class SubmissionState(StrEnum):
    """How a submission is."""

    SENDING = "sending"  # Slurm may or may not have it
    OPEN = "open"  # Slurm has it, and its results are not taken yet
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Submission(Record):
    """A job, or a job array, as it was sent."""

    id: int
    stage: str
    kind: str  # `map`: an array of shards; `run`: one job
    call: str  # `call_key`
    folder: str  # scripts, logs, pickles
    job_name: str
    job_id: str | None
    num_tasks: int
    num_ranks: int  # processes a task
    gpus: int  # a task, of all its nodes
    state: str  # of `SubmissionState`
    note: str  # one line: how it ended
    driver: str  # `host:process` that sent it
    submitted_at: str  # UTC, ISO 8601
    closed_at: str | None

    @property
    def is_open(self) -> bool:
        return self.state in (SubmissionState.SENDING, SubmissionState.OPEN)

    @property
    def task_ids(self) -> list[str]:
        """Slurm's id of each task; the job's own where it is no array."""
        if self.job_id is None:
            return []
        return [f"{self.job_id}_{index}" for index in range(self.num_tasks)] if self.num_tasks > 1 else [self.job_id]


class Attempt(Record):
    """One start of a job or of a task of an array; or its wait for one."""

    submission: int
    job_id: str
    attempt: int
    state: str  # Slurm's word, or how it ended in ours
    reason: str
    node: str
    started_at: str | None  # UTC, ISO 8601
    ended_at: str | None
    log: str

    def hours(self, now: datetime) -> float:
        """How long it has been at work."""
        if self.started_at is None:
            return 0.0
        end = now if self.ended_at is None else datetime.fromisoformat(self.ended_at)
        return max(0.0, (end - datetime.fromisoformat(self.started_at)).total_seconds() / 3600)


def timestamp(moment: datetime | None = None) -> str:
    """UTC in ISO 8601, to the second."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


class Ledger:
    """The submissions of one checkout.

    Args:
        path: The SQLite file; made at the first write. A damaged one is put aside, in words, for a new one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, submission: Submission) -> Submission:
        """Note a submission that is about to be sent; returns it with its id. `id` is ignored."""
        values = submission.model_dump(exclude={"id"})
        names = ", ".join(values)
        with self._open() as database:
            row = database.execute(
                f"INSERT INTO submission ({names}) VALUES ({', '.join(f':{name}' for name in values)})", values
            )
            return submission.model_copy(update={"id": row.lastrowid})

    def sent(self, submission: Submission, job_id: str) -> Submission:
        """Note that Slurm has it; returns it with its job id."""
        values = {"job_id": job_id, "state": str(SubmissionState.OPEN)}
        with self._open() as database:
            database.execute(
                "UPDATE submission SET job_id = :job_id, state = :state WHERE id = :id", {**values, "id": submission.id}
            )
        return submission.model_copy(update=values)

    def close(self, submission: Submission, state: SubmissionState, note: str = "") -> None:
        """Note how it ended. One that is closed already stays as it is; attempts still at work end now."""
        now = timestamp()
        with self._open() as database:
            database.execute(
                "UPDATE submission SET state = ?, note = ?, closed_at = ? WHERE id = ? AND closed_at IS NULL",
                (str(state), note, now, submission.id),
            )
            database.execute(
                "UPDATE attempt SET ended_at = ?, state = CASE WHEN ? = 'done' THEN 'COMPLETED' ELSE state END "
                "WHERE submission = ? AND ended_at IS NULL",
                (now, str(state), submission.id),
            )

    def is_cancelled(self, submission: Submission) -> bool:
        """Whether somebody has cancelled it since."""
        with self._open() as database:
            (state,) = database.execute("SELECT state FROM submission WHERE id = ?", (submission.id,)).fetchone()
        return bool(state == SubmissionState.CANCELLED)

    def adopt(self, submission: Submission) -> None:
        """Note that this process waits for it now."""
        with self._open() as database:
            database.execute("UPDATE submission SET driver = ? WHERE id = ?", (this_driver(), submission.id))

    def note(self, attempts: list[Attempt]) -> None:
        """Keep what is known of attempts; an earlier attempt of the same job, still open, has ended."""
        with self._open() as database:
            for attempt in attempts:
                names = ", ".join(type(attempt).model_fields)
                places = ", ".join(f":{name}" for name in type(attempt).model_fields)
                database.execute(f"INSERT OR REPLACE INTO attempt ({names}) VALUES ({places})", attempt.model_dump())
                database.execute(
                    "UPDATE attempt SET ended_at = ?, state = 'REQUEUED' "
                    "WHERE submission = ? AND job_id = ? AND attempt < ? AND ended_at IS NULL",
                    (timestamp(), attempt.submission, attempt.job_id, attempt.attempt),
                )

    def submissions(self, stage: str | None = None, *, only_open: bool = False) -> list[Submission]:
        """All, or those of a stage, the oldest first."""
        if not self._path.exists():
            return []
        with self._open() as database:
            rows = database.execute("SELECT * FROM submission ORDER BY id").fetchall()
        found = [Submission.model_validate(dict(row)) for row in rows]
        return [each for each in found if stage in (None, each.stage) and (each.is_open or not only_open)]

    def attempts(self, submission: Submission) -> list[Attempt]:
        """In the order of the tasks and starts."""
        with self._open() as database:
            rows = database.execute("SELECT * FROM attempt WHERE submission = ?", (submission.id,)).fetchall()
        order = {job_id: place for place, job_id in enumerate(submission.task_ids)}
        found = [Attempt.model_validate(dict(row)) for row in rows]
        return sorted(found, key=lambda each: (order.get(each.job_id, len(order)), each.attempt))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are kept together, or not at all."""
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                database = self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    if "locked" in str(error) or "protocol" in str(error):
                        raise self._busy(error) from error
                    raise
                self._put_aside()
                database = self._connect()
            with closing(database), database:
                yield database

    def _busy(self, error: sqlite3.OperationalError) -> PvttError:
        return PvttError(
            f"{self._path}: {error}", "another process of this checkout holds it, on this machine or on another: end it"
        )

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=WAIT_S)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA journal_mode = WAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            elif version != VERSION:
                raise PvttError(
                    f"{self._path} is of another version of pvtt ({version}, this one knows {VERSION})",
                    "finish its jobs with that version, then delete the file",
                )
        except BaseException:
            database.close()
            raise
        return database

    def _put_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        self._path.replace(aside)
        for rest in ("-wal", "-shm"):
            self._path.with_name(self._path.name + rest).unlink(missing_ok=True)
        tell(f"pvtt: {self._path} is damaged and lies now at {aside}; a new one is begun")


def this_driver() -> str:
    """This process, as a submission names it."""
    return f"{socket.gethostname()}:{os.getpid()}"
