"""`ratings/<run_id>.jsonl`: one line a click, appended and synced to the disk before the page hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pvtt.files.append import append_line
from pvtt.records.base import read_appended
from pvtt.records.ratings import Rating, Shown


class Rated(NamedTuple):
    """What a score is of: one showing of a video to a rater."""

    rater: str
    key: str  # the sample's
    shown: Shown = "generated"
    again: bool = False


class RatingStore:
    """The ratings of one run.

    Args:
        path: The file; made at the first rating.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, rating: Rating) -> None:
        """Add a rating; it is on the disk when this returns.

        Threads may share the file, and two raters' servers on one machine.

        Raises:
            StorageError: It could not be written.
        """
        append_line(self.path, rating.to_json())

    def latest(self) -> dict[Rated, Rating]:
        """The last rating of each showing, by the first. A line of another run, as a copied file has, does not count.

        Raises:
            PvttError: A line is not a rating.
        """
        ratings = read_appended(self.path, Rating)
        return {
            Rated(rating.rater, rating.key, rating.shown, rating.again): rating
            for rating in ratings
            if rating.run_id == self.path.stem
        }
