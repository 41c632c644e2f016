"""The page of pairs: two films of a sample side by side, blind, and which is better.

A pair and each of its films have tokens, which tell nothing of the contenders, nor whether a pair is a check
(`pvtt.ratings.pairs`). A click is POSTed to /api/vote as {"rater", "token", "choice"}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_json
from pvtt.files.serve import HOST
from pvtt.ratings.blind import BlindServer
from pvtt.ratings.pairs import SWAPPED, Contest, Film, Pair, every_pair, in_order
from pvtt.ratings.vote_store import VoteStore
from pvtt.records.base import Record
from pvtt.records.votes import Choice, Vote


class PairClick(Record):
    """What the page posts: a rater's choice between the films behind a token."""

    rater: str
    token: str
    choice: Choice


class PairServer(BlindServer):
    """Serves a run's page of pairs.

    Args:
        contests: The samples, with everyone's films and the product's photos.
        contenders: Who is compared.
        store: The folder that votes are kept in.
        port: 0 takes a free one.
        rater: Fixed name; None: the page asks.
        host: The address to listen on.
        key: That every browser must have been given; None on the loopback alone.

    Raises:
        PvttError: There is nothing to compare, or the port is taken.
    """

    def __init__(
        self,
        contests: Sequence[Contest],
        contenders: Sequence[str],
        store: VoteStore,
        port: int,
        rater: str | None = None,
        host: str = HOST,
        key: str | None = None,
    ) -> None:
        self.store = store
        self._contests, self._contenders = contests, contenders
        self.pairs: Mapping[str, Pair] = {pair.token: pair for pair in every_pair(contests, contenders)}
        films = [(token, side, film) for token, pair in self.pairs.items() for side, film in enumerate(pair.films)]
        self.films: Mapping[str, Film] = {_film_token(token, side): film for token, side, film in films}
        self._states = {path: _state(path) for path in {film.path for _, _, film in films}}
        super().__init__(
            page="pairs.html",
            post="/api/vote",
            need="need a rater's name, a known token (load the page again), and left, right, equal or skip",
            gone="run `pvtt bench run` again, then this command",
            command="pvtt rate --pairs",
            port=port,
            rater=rater,
            host=host,
            key=key,
        )
        if self.num_pairs == 0:
            self.close()
            raise PvttError("no two contenders have films that differ", "run `pvtt bench run` with more --contenders")

    def queue(self, rater: str) -> list[dict[str, Any]]:
        """The pairs that a rater is to see, in an order of their own that stays when they come back."""
        latest = self.store.latest_of(rater)
        found = []
        for pair in in_order(self._contests, self._contenders, rater):
            vote, token = latest.get(pair.voted(rater)), pair.token
            found.append(
                {
                    "token": token,
                    "left": _film_token(token, 0),
                    "right": _film_token(token, 1),
                    "photos": len(pair.contest.photos),
                    "choice": None if vote is None else _choice(vote, pair),
                }
            )
        return found

    @property
    def num_pairs(self) -> int:
        """That each rater is to see."""
        return len(in_order(self._contests, self._contenders, ""))

    def save(self, body: bytes) -> None:
        """Save one vote.

        Raises:
            KeyError: The token is unknown.
            ValidationError: It is no vote.
            PvttError: A film is no longer the one that was shown, or the vote could not be written.
        """
        click = PairClick.from_json(body)
        pair = self.pairs[click.token]
        left, right = pair.films
        vote = Vote(
            rater=click.rater,
            item=pair.contest.item,
            left=pair.left,
            right=pair.right,
            left_sha256=left.sha256,
            right_sha256=right.sha256,
            again=pair.again,
            choice=click.choice,
            voted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for film in (left, right):
            if _state(film.path) != self._states[film.path]:
                raise PvttError(
                    f"{film.path.name} was made again since this page's server started", "start `pvtt rate` again"
                )
        self.store.append(vote)

    def video(self, token: str) -> Path:
        """The film behind a token of its own. Raises `KeyError`."""
        return self.films[token].path

    def photos(self, token: str) -> Sequence[Path]:
        """The photos of the product that a pair should show. Raises `KeyError`."""
        return self.pairs[token].contest.photos


def _film_token(pair: str, side: int) -> str:
    return sha256_json([pair, side])[:16]


def _state(path: Path) -> tuple[int, int] | None:
    """What tells a file from another in its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _choice(vote: Vote, pair: Pair) -> Choice | None:
    """A vote as the page shows it; None where it was on other films."""
    shown = {pair.left: pair.films[0].sha256, pair.right: pair.films[1].sha256}
    if {vote.left: vote.left_sha256, vote.right: vote.right_sha256} != shown:
        return None
    return vote.choice if vote.left == pair.left else SWAPPED[vote.choice]
