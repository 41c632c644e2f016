"""What ads that are made one after another need not load twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.generation.ad.template import Template, read_template
from pvtt.generation.ad.windows import load_pipeline
from pvtt.items.progress import Progress

if TYPE_CHECKING:
    from pvtt.generation.pipeline import ProductVideoPipeline


class Shared:
    """Holds the last template and the last model that were asked for. A single ad has one of its own."""

    def __init__(self) -> None:
        self._template: tuple[tuple[Path, int, int], Template] | None = None
        self._pipeline: tuple[tuple[Path, str], ProductVideoPipeline] | None = None

    def template(self, path: Path) -> Template:
        """As `read_template`, once for a file as long as it stays the same."""
        status = path.stat() if path.is_file() else None
        key = (path, 0, 0) if status is None else (path, status.st_size, status.st_mtime_ns)
        if self._template is None or self._template[0] != key:
            self._template = key, read_template(path)
        return self._template[1]

    def pipeline(self, folder: Path, sha256: str) -> ProductVideoPipeline:
        """The model of a folder with this hash, loaded once."""
        if self._pipeline is None or self._pipeline[0] != (folder, sha256):
            self._pipeline = None  # two at a time may not fit into memory
            self._pipeline = (folder, sha256), load_pipeline(folder)
        return self._pipeline[1]

    @contextmanager
    def windows(self, count: int) -> Iterator[Progress]:
        """The bar over an ad's windows."""
        with Progress("generate", count, unit="windows") as progress:
            yield progress
