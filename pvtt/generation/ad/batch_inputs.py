"""What a batch is made of: a folder of films, and a folder with a folder a product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.storage import raise_storage_fault
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.inputs import PICTURE_SUFFIXES

FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
MAX_PHOTOS = 5
PROMPT_FILE = "prompt.txt"


@dataclass(frozen=True)
class Film:
    """A template: its name, the file's without its ending, and its file."""

    name: str
    path: Path


@dataclass(frozen=True)
class BatchProduct:
    """A product's folder.

    Args:
        name: The folder's.
        photos: The first five pictures by name.
        prompt: Of its `prompt.txt`; None where it has none.
        warnings: What was left out of the folder.
        fault: Why it cannot be used.
    """

    name: str
    photos: tuple[Path, ...]
    prompt: str | None
    warnings: tuple[str, ...] = ()
    fault: AdError | None = None


def read_films(folder: Path) -> list[Film]:
    """The films of a folder, by name.

    Raises:
        MissingInputError: There is no such folder, or no film in it.
        PvttError: Two films would have one name.
    """
    if not folder.is_dir():
        raise MissingInputError(f"there is no folder {folder}", "give --templates the folder of the films")
    paths = [path for path in _seen(folder) if path.suffix.lower() in FILM_SUFFIXES and path.is_file()]
    films = sorted((Film(path.stem, path) for path in paths), key=lambda film: (film.name, film.path.name))
    if not films:
        raise MissingInputError(
            f"{folder} has no film ({', '.join(FILM_SUFFIXES)})", "give --templates the folder of the films"
        )
    for before, film in pairwise(films):
        if film.name == before.name:
            raise PvttError(
                f"{before.path.name} and {film.path.name} in {folder} would both be written to {film.name}/",
                "rename one of them",
            )
    return films


def read_products(folder: Path) -> list[BatchProduct]:
    """The products of a folder, by name; one that cannot be used says why.

    Raises:
        MissingInputError: There is no such folder, or no folder in it.
    """
    if not folder.is_dir():
        raise MissingInputError(f"there is no folder {folder}", "give --photos-dir the folder with a folder a product")
    products = [_product(path) for path in _seen(folder) if path.is_dir()]
    if not products:
        raise MissingInputError(
            f"{folder} has no folders", "put the pictures of each product into a folder of its own in it"
        )
    return products


def _seen(folder: Path) -> Iterator[Path]:
    """What is in a folder and not hidden, by name."""
    yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _product(folder: Path) -> BatchProduct:
    name = folder.name
    pictures = tuple(path for path in _seen(folder) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    if not pictures:
        fault = AdError(
            f"{folder} has no picture ({', '.join(PICTURE_SUFFIXES)})", "put one to five pictures into it", "no_photo"
        )
        return BatchProduct(name, (), None, fault=fault)
    try:
        prompt = _prompt(folder / PROMPT_FILE)
    except AdError as fault:
        return BatchProduct(name, (), None, fault=fault)
    warnings: tuple[str, ...] = ()
    if len(pictures) > MAX_PHOTOS:
        warnings = (f"the first {MAX_PHOTOS} of {len(pictures)} pictures by name are taken",)
    return BatchProduct(name, pictures[:MAX_PHOTOS], prompt, warnings)


def _prompt(path: Path) -> str | None:
    """A prompt's file in one line."""
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise_storage_fault(error, path)
        raise AdError(f"{path} cannot be read: {error}", "save it as UTF-8 text", "bad_prompt") from None
