"""What is found and what is made, as HTML. All that comes from a file or from its name is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from pvtt.errors import PvttError
from pvtt.generation.ad.compare import COMPARISON, LINE_WIDTH
from pvtt.generation.ad.record import AdRecord, AdShot
from pvtt.generation.ad.sheet import tiles_of
from pvtt.studio.work import Look, Made

PLACE_FIELD = "place"  # id of the field that `<pvtt-place>` writes

Url = Callable[[Path], str]


def message(text: str, kind: str = "", hint: str | None = None) -> str:
    """A line, and what to do."""
    then = f'<p class="next">{escape(hint)}</p>' if hint else ""
    return f'<div class="message {kind}" role="status"><p>{escape(text)}</p>{then}</div>'


def failure(error: PvttError) -> str:
    """An error in the command's own words."""
    return message(error.message, "error", error.hint and f"next: {error.hint}")


def strip(template: Path | None, photos: Sequence[Path], url: Url) -> str:
    """What was dropped, small."""
    parts = []
    if template is not None:
        parts.append(f'<video src="{url(template)}" controls muted preload="metadata"></video>')
    parts += [f'<img src="{url(photo)}" alt="{escape(photo.name)}">' for photo in photos]
    return f'<div class="strip">{"".join(parts)}</div>' if parts else ""


def cards(look: Look, url: Url) -> str:
    """The shots, with the region in the middle frame of each that is generated in."""
    record = look.record
    shown = "".join(_card(record, shot, url(look.pictures[shot.number].middle)) for shot in record.shots)
    return f'<p class="note">{escape(record.choice)}</p><div class="cards">{shown}</div>'


def _card(record: AdRecord, shot: AdShot, picture: str) -> str:
    over = ""
    if shot.cut_at is not None:
        over += _over("frame", (*shot.cut_at, *record.film_size), record)
    if shot.region is not None:
        over += _over("region", shot.region, record)
    product = f"product {shot.product}" if shot.product else "no product"
    what = f"{shot.windows} windows" if shot.generated else shot.reason
    return (
        f'<figure class="card{" chosen" if shot.generated else ""}"><div class="stage">'
        f'<img src="{picture}" alt="Middle frame of shot {shot.number}">{over}</div>'
        f"<figcaption><b>{shot.number}</b>{shot.start_s:.2f}–{shot.end_s:.2f} s, {escape(product)}<br>"
        f"<span>{escape(what)}</span></figcaption></figure>"
    )


def _over(kind: str, box: tuple[int, int, int, int], record: AdRecord) -> str:
    """A rectangle over a frame's picture."""
    left, top, width, height = box
    x, y = 100 / record.width, 100 / record.height
    style = f"left:{left * x:.2f}%;top:{top * y:.2f}%;width:{width * x:.2f}%;height:{height * y:.2f}%"
    return f'<div class="{kind}" style="{style}"></div>'


def place(look: Look, shots: Sequence[int | str], value: str, url: Url) -> str:
    """The first frame of the first chosen shot, to draw in."""
    number = min((int(shot) for shot in shots), default=1)
    pictures = look.pictures.get(number)
    if pictures is None:
        return ""
    return (
        f'<p class="note">First frame of shot {number}: draw a box around the old product, or click on it.</p>'
        f'<pvtt-place data-image="{url(pictures.first)}" data-size="{look.record.width},{look.record.height}" '
        f'data-field="{PLACE_FIELD}" data-value="{escape(value or "")}"></pvtt-place>'
    )


def result(made: Made, url: Url) -> str:
    """An ad or a preview beside its template, its files, and what a person should know of it."""
    record, output = made.record, made.output
    sheet, beside = output.with_suffix(".png"), output.with_suffix(COMPARISON)
    parts = [f"<h3>{escape(output.stem)}</h3>"]
    if record.preview:
        parts += [_tiles(record, shot, url(sheet)) for shot in record.shots if shot.generated and sheet.is_file()]
    elif beside.is_file() and record.cut_size is None:
        parts.append(f'<pvtt-compare data-video="{url(beside)}" data-line="{LINE_WIDTH}"></pvtt-compare>')
    elif beside.is_file():  # two ratios are not laid over each other
        parts.append(f'<video class="beside" src="{url(beside)}" controls loop></video>')
    films = [] if record.preview else [output, beside]
    files = [*films, sheet, output.with_suffix(".json")]
    links = (f'<li><a href="{url(file)}" download>{escape(file.name)}</a></li>' for file in files if file.is_file())
    parts.append(f'<ul class="files">{"".join(links)}</ul>')
    if record.warnings:
        parts.append(f'<ul class="warnings">{_items(record.warnings)}</ul>')
    return "".join(parts)


def _tiles(record: AdRecord, shot: AdShot, sheet: str) -> str:
    old, new = tiles_of(shot.number, record.film_size)
    boxes = ",".join(map(str, (*old, *new)))
    return (
        f'<p class="note">Shot {shot.number}</p>'
        f'<pvtt-compare data-image="{sheet}" data-boxes="{boxes}" data-name="preview"></pvtt-compare>'
    )


def notes(lines: Iterable[str]) -> str:
    """Lines of what an earlier ad lacks."""
    shown = _items(lines)
    return f'<div class="message" role="status"><ul class="warnings">{shown}</ul></div>' if shown else ""


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def note(text: str) -> str:
    """A quiet line."""
    return f'<p class="note">{escape(text)}</p>'
