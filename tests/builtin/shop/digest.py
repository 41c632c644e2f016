"""A hash of a rendered film: run as a program it prints what a fresh process renders."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from pvtt.builtin.shop.catalog import catalog
from pvtt.builtin.shop.film import write_film
from pvtt.builtin.shop.render import Renderer


def film_digest(renderer: Renderer, path: Path) -> str:
    """SHA-256 of a short film's file and masks; writes the film to `path`."""
    film = catalog()[3].films[0]
    shots = [replace(part, num_frames=3, scene=replace(part.scene, environment="softbox")) for part in film.shots]
    masks = write_film(renderer, replace(film, shots=tuple(shots), width=144, height=96), path)
    return hashlib.sha256(path.read_bytes() + masks.tobytes()).hexdigest()


if __name__ == "__main__":
    with Renderer() as fresh:
        print(film_digest(fresh, Path(sys.argv[1])))
