"""A contender's film of a triplet: made once, kept with how it came about, and measured once.

A run that was stopped anywhere goes on with the same command.
"""

from __future__ import annotations

import time
from functools import cache
from importlib.metadata import version

from pvtt import __version__
from pvtt.bench.contenders import BenchContender, Job
from pvtt.bench.kept import FilmFiles
from pvtt.bench.measure import Values, measure_film, read_film
from pvtt.bench.sets import BenchSet, Pixels
from pvtt.errors import PvttError, first_line
from pvtt.evaluation.fingerprint import LIBRARIES
from pvtt.evaluation.metrics.metric import Networks
from pvtt.files.atomic import atomic_write_text, scratch_directory
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.storage import storage_fault
from pvtt.records.bench import BenchFilm, BenchScore, Triplet


@cache  # reading all the source takes a second
def measuring_code() -> str:
    """A hash of the code that measures."""
    return code_of(measure_film)


@cache
def versions() -> dict[str, str]:
    """Of this project and of the libraries that results depend on."""
    return {"pvtt": __version__, "measuring": measuring_code()} | {name: version(name) for name in LIBRARIES}


def make_film(
    files: FilmFiles, contender: BenchContender, key: object, bench: BenchSet, pixels: Pixels, seed: int
) -> BenchFilm:
    """The record of a contender's film of a triplet, which is made where it is missing or was made otherwise.

    Args:
        files: Where it lies.
        contender: Who makes it.
        key: `contender.key()`.
        bench: The set.
        pixels: The triplet's.
        seed: Of the noise.

    Raises:
        StorageError: The machine's storage failed. What is the film's own failure stands in the record.
    """
    triplet = pixels.triplet
    # Which photos a swap takes follows from the whole bench.
    given = [bench.sha256(one) for one in bench.triplets] if contender.name in ("swapped", "mean_fill") else None
    whole = sha256_json([contender.name, key, bench.sha256(triplet), given, seed])
    record = files.read_record()
    if record is not None and record.key == whole:
        return record
    files.film.parent.mkdir(parents=True, exist_ok=True)
    begin, reason, message, sha256 = time.monotonic(), "", "", None
    command = ""
    with scratch_directory(files.film.parent) as scratch:
        job = Job(bench, triplet, pixels, scratch / files.film.name, seed)
        try:
            command = contender.command(job)
            contender.make(job)
            read_film(job.path, pixels)
        except Exception as error:  # one film never ends a run, and its failure stands in every table
            fault = storage_fault(error)
            if fault is not None:
                raise fault from error
            if not isinstance(error, PvttError):
                raise
            reason, message = getattr(error, "reason", "error"), first_line(error)
            files.film.unlink(missing_ok=True)
        else:
            sha256 = sha256_file(job.path)
            job.path.replace(files.film)
    record = BenchFilm(
        contender=contender.name,
        triplet=triplet.name,
        key=whole,
        sha256=sha256,
        reason=reason,
        message=message,
        seed=seed,
        command=command,
        versions=versions(),
        seconds=round(time.monotonic() - begin, 2),
    )
    atomic_write_text(files.record, record.to_json(indent=1) + "\n")
    return record


def score_film(
    files: FilmFiles, record: BenchFilm, bench: BenchSet, pixels: Pixels, networks: Networks, weights: object
) -> Values:
    """The figures of a film; where there is none, those of the template: that is what a person is left with.

    Args:
        files: Where it lies.
        record: Of the film.
        bench: The set.
        pixels: The triplet's.
        networks: That measure.
        weights: What tells these from others, as JSON.
    """
    key = sha256_json([record.sha256, bench.sha256(pixels.triplet), measuring_code(), versions(), weights])
    score = files.read_score()
    if score is not None and score.key == key:
        return score.values
    film = files.film if record.sha256 is not None else pixels.place / pixels.triplet.template
    values = measure_film(film, pixels, networks)
    atomic_write_text(files.score, BenchScore(key=key, values=values).to_json(indent=1) + "\n")
    return values


def triplet_pixels(bench: BenchSet, triplet: Triplet) -> Pixels:
    """A triplet's films and masks."""
    return Pixels(triplet, bench.place(triplet))
