"""The tables as a page, with the films of each triplet side by side. It plays those in the folder of its run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pvtt.bench.kept import FILMS
from pvtt.bench.table import BenchTable
from pvtt.bench.text import cell_text, films, minutes, places, reading, title
from pvtt.bench.votes_text import QUESTION, SAYS, lead, named, vote_tables
from pvtt.records.bench import RunTriplet

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Shown:
    """A contender's film of a triplet on the page: where it is, or why there is none."""

    name: str
    source: str | None
    message: str
    command: str


def render(table: BenchTable) -> str:
    """The page. Equal tables give equal bytes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "cell_text": cell_text,
        "films": films,
        "minutes": minutes,
        "named": named,
        "places": places,
        "title": title,
    }
    rows = [(triplet, _shown(table, triplet)) for triplet in table.run.triplets]
    return environment.get_template("bench.html.j2").render(
        table=table,
        reading=reading(table),
        rows=rows,
        question=QUESTION,
        lead=lead(table.votes),
        votes=vote_tables(table.votes),
        says=SAYS,
    )


def _shown(table: BenchTable, triplet: RunTriplet) -> list[Shown]:
    shown = []
    for contender in table.run.contenders:
        film = table.films[contender, triplet.name]
        source = None if film.sha256 is None else quote(f"{FILMS}/{contender}/{triplet.name}.mp4")
        name = named(contender, contender in table.run.controls)
        shown.append(Shown(name, source, f"{film.reason}: {film.message}", film.command))
    return shown
