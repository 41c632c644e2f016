"""What a crawl has fetched, kept so that a kill at any moment loses only the requests under way.

One SQLite file a source. A row is written when a page is read or a media file has its final name, never before.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pvtt.crawl.drafts import MediaKind, MediaRecord, PageRecord
from pvtt.files.hashing import sha256_file
from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors
from pvtt.records.base import Record

RecordT = TypeVar("RecordT", PageRecord, MediaRecord)

RESUME_WITHIN_S = 24 * 3600  # an interrupted crawl older than this starts over: the shop has moved on

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (id TEXT NOT NULL, fingerprint TEXT NOT NULL, code TEXT NOT NULL, started REAL NOT NULL,
                                finished INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fetched (kind TEXT NOT NULL, url TEXT NOT NULL, run TEXT NOT NULL, etag TEXT, modified TEXT,
                                    record TEXT NOT NULL, PRIMARY KEY (kind, url));
CREATE TABLE IF NOT EXISTS refused (kind TEXT NOT NULL, url TEXT NOT NULL, run TEXT NOT NULL, reason TEXT NOT NULL,
                                    message TEXT NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (kind, url));
"""


@dataclass(frozen=True)
class Fetched:
    """A response that was good, its validators, and whether this run has already seen it."""

    record: PageRecord | MediaRecord
    etag: str | None
    modified: str | None
    fresh: bool


@dataclass(frozen=True)
class Refusal:
    """Why a URL gave nothing. `failed` separates an error, which may pass, from what the source really holds."""

    reason: str
    message: str
    failed: bool = False


class CrawlState:
    """The state of one source: `state.sqlite`, `staging/` with media that are not in `data/` yet, `crawl.log`.

    Raises `StorageError` from every method where the disk is full or fails.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.staging = directory / "staging"
        self.log = directory / "crawl.log"
        self.run = ""
        with storage_errors(directory):
            self.staging.mkdir(parents=True, exist_ok=True)
            for leftover in self.staging.glob(f"{TEMPORARY_PREFIX}*"):
                leftover.unlink()
            self._database = sqlite3.connect(directory / "state.sqlite", isolation_level=None)
            self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    def begin(self, fingerprint: str, code: str) -> bool:
        """Start a run, or continue the one that was interrupted.

        Args:
            fingerprint: Hash of the params; another one starts a run of its own.
            code: Version of the code that reads pages; pages read by another version are fetched again.

        Returns:
            Whether an interrupted run continues.
        """
        now = time.time()
        row = self._database.execute("SELECT id, fingerprint, code, started, finished FROM run").fetchone()
        if row is not None:
            run, old_fingerprint, old_code, started, finished = row
            same = (fingerprint, code) == (old_fingerprint, old_code)
            if same and not finished and 0 <= now - started <= RESUME_WITHIN_S:
                self.run = run
                return True
            if code != old_code:
                self._write("UPDATE fetched SET etag = NULL, modified = NULL WHERE kind = 'page'")
        self.run = os.urandom(8).hex()
        self._write("DELETE FROM run")
        self._write("INSERT INTO run VALUES (?, ?, ?, ?, 0)", self.run, fingerprint, code, now)
        return False

    def attach(self) -> None:
        """Join the run that another process began."""
        (self.run,) = self._database.execute("SELECT id FROM run").fetchone()

    def finish(self, complete: bool) -> None:
        """End the run; after a complete one, forget what the source no longer names and empty the staging directory."""
        if complete:
            self._write("DELETE FROM fetched WHERE run != ?", self.run)
        self._write("DELETE FROM refused")
        self._write("UPDATE run SET finished = 1")
        if complete:
            with storage_errors(self.staging):
                for file in self.staging.iterdir():
                    file.unlink()

    def staged(self, kind: MediaKind, url: str) -> Path:
        """Where a media file waits until it is put into `data/`."""
        return self.staging / f"{kind}-{hashlib.sha256(url.encode()).hexdigest()}"

    def staged_file(self, kind: MediaKind, url: str, known: Fetched) -> Path | None:
        """A record's staged bytes, if they are there and its own: a kill may fall between a file and its record."""
        path = self.staged(kind, url)
        assert isinstance(known.record, MediaRecord)
        if path.is_file() and (known.fresh or sha256_file(path) == known.record.sha256):
            return path
        return None

    def page(self, url: str) -> Fetched | None:
        return self._get("page", url, PageRecord)

    def media(self, kind: MediaKind, url: str) -> Fetched | None:
        return self._get(kind, url, MediaRecord)

    def refusal(self, kind: Literal["page"] | MediaKind, url: str) -> Refusal | None:
        """This run's refusal of a URL."""
        row = self._database.execute(
            "SELECT reason, message, failed FROM refused WHERE kind = ? AND url = ? AND run = ?", (kind, url, self.run)
        ).fetchone()
        return None if row is None else Refusal(row[0], row[1], bool(row[2]))

    def pages(self) -> Iterator[tuple[str, PageRecord | Refusal]]:
        """The pages that this run read, then those that it did not get, each sorted by URL."""
        rows = self._database.execute(
            "SELECT url, record FROM fetched WHERE kind = 'page' AND run = ? ORDER BY url", (self.run,)
        )
        for url, record in rows:
            yield url, PageRecord.from_json(record)
        refused = "SELECT url, reason, message, failed FROM refused WHERE kind = 'page' AND run = ? ORDER BY url"
        for url, reason, message, failed in self._database.execute(refused, (self.run,)):
            yield url, Refusal(reason, message, bool(failed))

    def keep(
        self, kind: Literal["page"] | MediaKind, url: str, record: Record, etag: str | None, modified: str | None
    ) -> None:
        """Record a good response."""
        self._write("DELETE FROM refused WHERE kind = ? AND url = ?", kind, url)
        self._write(
            "INSERT OR REPLACE INTO fetched VALUES (?, ?, ?, ?, ?, ?)",
            kind,
            url,
            self.run,
            etag,
            modified,
            record.to_json(),
        )

    def confirm(self, kind: Literal["page"] | MediaKind, url: str) -> None:
        """Record that a response kept from an earlier run still holds (304)."""
        self._write("DELETE FROM refused WHERE kind = ? AND url = ?", kind, url)
        self._write("UPDATE fetched SET run = ? WHERE kind = ? AND url = ?", self.run, kind, url)

    def forget(self, kind: Literal["page"] | MediaKind, url: str) -> None:
        """Drop what is known of a URL."""
        self._write("DELETE FROM refused WHERE kind = ? AND url = ?", kind, url)
        self._write("DELETE FROM fetched WHERE kind = ? AND url = ?", kind, url)

    def refuse(self, kind: Literal["page"] | MediaKind, url: str, refusal: Refusal, forget: bool) -> None:
        """Record that a URL gave nothing; `forget` drops what an earlier run got from it."""
        if forget:
            self._write("DELETE FROM fetched WHERE kind = ? AND url = ?", kind, url)
        self._write(
            "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?)",
            kind,
            url,
            self.run,
            refusal.reason,
            refusal.message,
            int(refusal.failed),
        )

    def _get(self, kind: str, url: str, record_type: type[RecordT]) -> Fetched | None:
        row = self._database.execute(
            "SELECT record, etag, modified, run FROM fetched WHERE kind = ? AND url = ?", (kind, url)
        ).fetchone()
        if row is None:
            return None
        return Fetched(record_type.from_json(row[0]), etag=row[1], modified=row[2], fresh=row[3] == self.run)

    def _write(self, statement: str, *values: str | float | None) -> None:
        with storage_errors(self.directory):
            self._database.execute(statement, values)
