"""`votes/<rater>.jsonl`: one line a click, appended and synced to the disk before the page hears of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from pvtt.files.append import append_line
from pvtt.files.hashing import sha256_json
from pvtt.files.storage import storage_errors
from pvtt.records.base import read_appended
from pvtt.records.votes import Vote


class Voted(NamedTuple):
    """What a vote is of: one showing of two films to a rater."""

    rater: str
    item: str
    pair: tuple[str, str]  # both contenders, in the alphabet's order
    again: bool = False


class VoteStore:
    """The votes of one run.

    Args:
        folder: With a file a rater; made at the first vote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, rater: str) -> Path:
        """A rater's file. The name tells who it is, and no two raters share one on any file system."""
        readable = re.sub(r"[^a-z0-9]+", "-", rater).strip("-")[:32]
        return self.folder / f"{readable or 'rater'}-{sha256_json(rater)[:8]}.jsonl"

    def append(self, vote: Vote) -> None:
        """Add a vote; it is on the disk when this returns. Threads and processes may share the folder.

        Raises:
            StorageError: It could not be written.
        """
        append_line(self.path(vote.rater), vote.to_json())

    def latest(self) -> dict[Voted, Vote]:
        """The last vote of each rater on each showing, of all raters' files.

        Raises:
            PvttError: A line is not a vote.
            StorageError: A file could not be read.
        """
        found: dict[Voted, Vote] = {}
        with storage_errors(self.folder):
            for path in sorted(self.folder.glob("*.jsonl")):
                found |= _by_showing(path)
        return found

    def latest_of(self, rater: str) -> dict[Voted, Vote]:
        """The last vote of one rater on each showing. Raises as `latest`."""
        path = self.path(rater)
        with storage_errors(path):
            return _by_showing(path)


def _by_showing(path: Path) -> dict[Voted, Vote]:
    votes = read_appended(path, Vote)
    return {Voted(vote.rater, vote.item, vote.pair, vote.again): vote for vote in votes}
