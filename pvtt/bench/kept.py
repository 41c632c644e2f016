"""What a run keeps: its record, and each contender's film of a triplet with what is beside it.

Everything lies in the run's own folder, and is as good as missing where it is not what its record says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pvtt.errors import MissingInputError
from pvtt.files.hashing import sha256_file
from pvtt.files.storage import raise_storage_fault
from pvtt.records.base import RecordT, parse_record
from pvtt.records.bench import RUN_FILE, BenchFilm, BenchRun, BenchScore

FILMS = "films"


@dataclass(frozen=True)
class FilmFiles:
    """Where a contender's film of a triplet lies in a run's folder, and what is beside it."""

    folder: Path
    contender: str
    triplet: str

    @property
    def film(self) -> Path:
        return self.folder / FILMS / self.contender / f"{self.triplet}.mp4"

    @property
    def record(self) -> Path:
        return self.film.with_suffix(".json")

    @property
    def score(self) -> Path:
        return self.film.with_suffix(".score.json")

    def read_record(self) -> BenchFilm | None:
        """None where there is none, or the film is not what it says."""
        record = _read(self.record, BenchFilm)
        if record is None or record.sha256 is None:
            return record
        return record if self.film.is_file() and sha256_file(self.film) == record.sha256 else None

    def read_score(self) -> BenchScore | None:
        """None where there is none."""
        return _read(self.score, BenchScore)

    def missing(self) -> MissingInputError:
        """What to say where the run should have it and has not."""
        return MissingInputError(
            f"the film {self.film}, its record or its score is missing or damaged",
            "run `pvtt bench run` again with the same options: what is whole is kept",
        )


def _read(path: Path, kind: type[RecordT]) -> RecordT | None:
    try:
        return kind.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise_storage_fault(error, path)
        return None


def read_run(folder: Path) -> BenchRun:
    """The record of a run.

    Raises:
        MissingInputError: There is none.
        PvttError: It is damaged.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise MissingInputError(f"{folder} has no {RUN_FILE}", "finish `pvtt bench run --out` this folder first")
    return parse_record(BenchRun, path.read_bytes(), path, "run `pvtt bench run` again: films that are whole are kept")


def read_films(folder: Path, run: BenchRun) -> dict[tuple[str, str], BenchFilm]:
    """The record of each film of a run, by contender and triplet; the films are what their records say.

    Raises:
        MissingInputError: One is not, or is missing.
    """
    films = {}
    for contender in run.contenders:
        for triplet in run.triplets:
            files = FilmFiles(folder, contender, triplet.name)
            record = files.read_record()
            if record is None:
                raise files.missing()
            films[contender, triplet.name] = record
    return films
