"""A person's answers on doubtful masks and cut-outs: `reviews/answers.jsonl`, one line a click."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from pvtt.records.base import Record, read_appended
from pvtt.records.catalog import ProductId, Sha256

ANSWERS_FILE = "answers.jsonl"  # in reviews/, kept in Git

Kind = Literal["clip", "photo"]
Verdict = Literal["keep", "turn_away"]


class Judged(NamedTuple):
    """What an answer is of: a clip with its mask, or a photo with its cut-out, by their contents."""

    kind: Kind
    picture_sha256: str  # of the clip, or of the photo as crawled
    result_sha256: str  # of its mask, or its cut-out


class ReviewAnswer(Record):
    """One click. The last one on the same contents counts."""

    schema_version: Literal[1] = 1
    kind: Kind
    product_id: ProductId
    name: str  # for people: the clip's key or the prepared photo's path, when it was judged
    picture_sha256: Sha256
    result_sha256: Sha256
    verdict: Verdict | None  # None: an earlier answer is taken back
    answered_at: str  # ISO 8601, UTC

    @property
    def judged(self) -> Judged:
        """What it is of."""
        return Judged(self.kind, self.picture_sha256, self.result_sha256)


def read_answers(folder: Path) -> dict[Judged, ReviewAnswer]:
    """The answers that count, in the order in which they were given; none where nothing was reviewed yet.

    Args:
        folder: The workspace's `reviews`.

    Raises:
        PvttError: A line is no answer; names it. A torn last line, of a kill or a full disk, is passed over.
    """
    found: dict[Judged, ReviewAnswer] = {}
    for answer in read_appended(folder / ANSWERS_FILE, ReviewAnswer):
        found.pop(answer.judged, None)
        if answer.verdict is not None:
            found[answer.judged] = answer
    return found
