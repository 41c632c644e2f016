"""A run's films as people compare them, and where their votes lie.

Compared are the contenders that are no controls. Where one has no film, the template as it is stands for it, as in the
tables: that is what a person is left with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pvtt.bench.kept import FilmFiles
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_file
from pvtt.ratings.pairs import TRUTH, Contest, Film
from pvtt.ratings.vote_store import VoteStore
from pvtt.records.base import parse_record
from pvtt.records.bench import BENCH_FILE, TRIPLET_FILE, TRIPLETS, BenchFilm, BenchRun, Triplet
from pvtt.records.votes import VOTES

STAND_IN = "source_copy"  # the template as it is, which is in every run

Films = Mapping[tuple[str, str], BenchFilm]  # by contender and triplet


def vote_store(folder: Path) -> VoteStore:
    """The votes of the run in a folder."""
    return VoteStore(folder / VOTES)


def compared(run: BenchRun) -> tuple[str, ...]:
    """The contenders that people compare, in the order of every table."""
    return tuple(contender for contender in run.contenders if contender not in run.controls)


def contests(
    folder: Path, run: BenchRun, films: Films, photos: Mapping[str, Sequence[Path]] | None = None
) -> list[Contest]:
    """The run's triplets, with everyone's films.

    Args:
        folder: The run's.
        run: Its record.
        films: The records of its films.
        photos: Of each triplet; None: only the votes are of interest.
    """
    return [
        Contest(
            item=triplet.name,
            product_id=triplet.product_id,
            films={
                contender: film
                for contender in (*compared(run), TRUTH)
                if contender in run.contenders and (film := _film(folder, films, contender, triplet.name)) is not None
            },
            photos=() if photos is None else tuple(photos[triplet.name]),
        )
        for triplet in run.triplets
    ]


def _film(folder: Path, films: Films, contender: str, triplet: str) -> Film | None:
    for name in (contender, STAND_IN):
        record = films.get((name, triplet))
        if record is not None and record.sha256 is not None:
            return Film(FilmFiles(folder, name, triplet).film, record.sha256)
        if contender == TRUTH:
            break
    return None


def find_photos(run: BenchRun) -> dict[str, list[Path]]:
    """The photos of each triplet of a run, in the bench that it was made on, or, of the same triplets, the shipped one.

    Raises:
        MissingInputError: The bench, or a photo, is not there.
        PvttError: The bench is another one than it was.
    """
    bench = _find_bench(run)
    found = {}
    for one in run.triplets:
        place = bench / TRIPLETS / one.name
        path = place / TRIPLET_FILE
        if not path.is_file():
            raise MissingInputError(f"{path} is missing", "build the bench again: what is there is kept")
        triplet = parse_record(Triplet, path.read_bytes(), path, "build the bench again")
        found[one.name] = [place / photo for photo in triplet.photos]
        gone = [photo for photo in found[one.name] if not photo.is_file()]
        if gone:
            raise MissingInputError(f"{gone[0]} is missing", "build the bench again: what is there is kept")
    return found


def _find_bench(run: BenchRun) -> Path:
    named = Path(run.bench)
    if _is_bench(named, run):
        return named
    from pvtt.bench.sets import SHIPPED  # takes seconds

    if _is_bench(SHIPPED, run):
        return SHIPPED
    if (named / BENCH_FILE).is_file():
        raise PvttError(
            f"{named} is another bench than the one that the run was made on", "run `pvtt bench run` again on it"
        )
    raise MissingInputError(
        f"the bench {named} that the run was made on is not there",
        "go to the folder where `pvtt bench run` was started, or bring the bench there",
    )


def _is_bench(folder: Path, run: BenchRun) -> bool:
    path = folder / BENCH_FILE
    return path.is_file() and sha256_file(path) == run.bench_sha256
