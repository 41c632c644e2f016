"""`ratings/<run_id>.jsonl`: one line a click, appended and synced to the disk before the page hears of it."""

from __future__ import annotations

import threading
from pathlib import Path

from pvtt.files.atomic import append_line
from pvtt.records.base import read_jsonl
from pvtt.records.ratings import Rating


class RatingStore:
    """The ratings of one run.

    Args:
        path: The file; made at the first rating.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, rating: Rating) -> None:
        """Add a rating; it is on the disk when this returns.

        A line is written by one call in append mode, so two raters' servers on one machine may share the file.

        Raises:
            StorageError: It could not be written; the file holds what it held.
        """
        with self._lock:
            append_line(self.path, rating.to_json())

    def latest(self) -> dict[tuple[str, str], Rating]:
        """The last rating of each (rater, sample key).

        Raises:
            PvttError: A line is not a rating.
        """
        if not self.path.is_file():
            return {}
        return {(rating.rater, rating.key): rating for rating in read_jsonl(self.path, Rating)}
