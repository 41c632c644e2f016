"""The rating page: one video at a time, blind, a score from 1 to 5.

A token stands for a video and tells nothing of its product, split, run or score, nor whether it is a control
(`pvtt.ratings.queue`). A click is POSTed to /api/rate as {"rater", "token", "score"}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pvtt.errors import PvttError
from pvtt.files.serve import HOST
from pvtt.ratings.blind import BlindServer
from pvtt.ratings.queue import Showing, in_order, showings
from pvtt.ratings.store import Rated, RatingStore
from pvtt.records.base import Record
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import Rating


class Click(Record):
    """What the page posts: a rater's score for the video behind a token."""

    rater: str
    token: str
    score: int


@dataclass(frozen=True)
class RatedItem:
    """A video in the queue, and the photos of the product that it should show."""

    showing: Showing
    video: Path
    photos: tuple[Path, ...]


class RatingServer(BlindServer):
    """Serves one run's rating page.

    Args:
        run_id: Id of the evaluation whose videos are rated.
        samples: Its samples; those to rate are served.
        videos: Folder that the samples' video paths are relative to.
        root: Folder that the samples' photo paths are relative to.
        store: The file that ratings are appended to.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.
        host: The address to listen on.
        key: That every browser must have been given; None on the loopback alone.

    Raises:
        PvttError: There is nothing to rate, or the port is taken.
    """

    def __init__(
        self,
        run_id: str,
        samples: Sequence[EvaluatedSample],
        videos: Path,
        root: Path,
        store: RatingStore,
        port: int,
        rater: str | None = None,
        host: str = HOST,
        key: str | None = None,
    ) -> None:
        self.run_id = run_id
        self.store = store
        self._once = showings(run_id, samples)
        again = [replace(showing, again=True) for showing in self._once if showing.shown == "generated"]
        self.items: Mapping[str, RatedItem] = {
            showing.token(run_id): RatedItem(
                showing,
                videos / showing.sample.videos[showing.shown],
                tuple(root / path for path in showing.sample.photo_paths),
            )
            for showing in (*self._once, *again)
        }
        super().__init__(
            page="page.html",
            post="/api/rate",
            need="need a rater's name, a known token and a score from 1 to 5",
            gone="run `dvc checkout`",
            command="pvtt rate",
            port=port,
            rater=rater,
            host=host,
            key=key,
        )
        if not self.items:
            self.close()
            raise PvttError(
                "there are no test videos to rate", "set evaluate.save_videos above 0 and run `dvc repro evaluate`"
            )

    def queue(self, rater: str) -> list[dict[str, Any]]:
        """What a rater is to see, in an order of their own that stays when they come back."""
        latest = self.store.latest()
        raters = list(dict.fromkeys(rated.rater for rated in latest))  # by their first rating
        number = raters.index(rater) if rater in raters else len(raters)
        order = in_order(self._once, number)
        return [
            {
                "token": showing.token(self.run_id),
                "photos": len(showing.sample.photo_paths),
                "score": found.score if (found := latest.get(_rated(rater, showing))) else None,
            }
            for showing in order
        ]

    @property
    def num_videos(self) -> int:
        """That each rater is to see."""
        return len(in_order(self._once, 0))

    def save(self, body: bytes) -> None:
        """Save one rating. Raises `KeyError` for an unknown token, `ValidationError` for a wrong name or score."""
        click = Click.from_json(body)
        showing = self.items[click.token].showing
        self.store.append(
            Rating(
                run_id=self.run_id,
                rater=click.rater,
                product_id=showing.sample.product_id,
                clip_id=showing.sample.clip_id,
                shown=showing.shown,
                again=showing.again,
                score=click.score,
                rated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )

    def video(self, token: str) -> Path:
        """The video behind a token. Raises `KeyError`."""
        return self.items[token].video

    def photos(self, token: str) -> Sequence[Path]:
        """The photos of the product that it should show. Raises `KeyError`."""
        return self.items[token].photos


def _rated(rater: str, showing: Showing) -> Rated:
    return Rated(rater, showing.sample.key, showing.shown, showing.again)
