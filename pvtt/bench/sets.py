"""A bench on disk: found, checked, and read, a triplet's pixels at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.lettering import Reader, read_product
from pvtt.evaluation.metrics.metric import Appearance
from pvtt.evaluation.metrics.motion import Motion, estimate_motion
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.media.arrays import Region, Rgba, Video
from pvtt.media.masks import read_masks
from pvtt.media.video import read_video
from pvtt.records.base import parse_record
from pvtt.records.bench import BENCH_FILE, TRIPLET_FILE, TRIPLETS, Bench, BenchShot, Triplet

HINT = "make one with `pvtt bench build DIR`, or take the small one with --small; docs/bench.md says what is in it"
SHIPPED = Path(__file__).parents[1] / "builtin" / "bench" / "small"  # the 24 triplets that come along
LETTERED = "text"  # of the splits by material: products with something written on them
HALF = 127  # of 255: a mask is above where its product is


@dataclass(frozen=True)
class BenchSet:
    """A bench that was read.

    Attributes:
        folder: Where it lies.
        bench: Its list.
        triplets: In order.
    """

    folder: Path
    bench: Bench
    triplets: tuple[Triplet, ...]

    def place(self, triplet: Triplet) -> Path:
        """A triplet's folder."""
        return self.folder / TRIPLETS / triplet.name

    def sha256(self, triplet: Triplet) -> str:
        """Of all of a triplet's files, as the list has them."""
        start = f"{TRIPLETS}/{triplet.name}/"
        return sha256_json([[path, own] for path, own in self.bench.files.items() if path.startswith(start)])

    def only(self, names: Sequence[str]) -> tuple[Triplet, ...]:
        """The triplets of these names, in the bench's order; all where no name is given.

        Raises:
            PvttError: There is no such triplet.
        """
        unknown = sorted(set(names) - {triplet.name for triplet in self.triplets})
        if unknown:
            raise PvttError(f"{self.folder} has no triplet {', '.join(unknown)}", f"{BENCH_FILE} lists their names")
        return tuple(triplet for triplet in self.triplets if not names or triplet.name in names)


def read_bench(folder: Path) -> BenchSet:
    """Read a bench, and check that its files are those that it lists.

    Raises:
        MissingInputError: There is none in the folder, or a file is missing.
        PvttError: A file is not what it was.
    """
    path = folder / BENCH_FILE
    if not path.is_file():
        raise MissingInputError(f"{folder} has no {BENCH_FILE}: it is no bench", HINT)
    bench = parse_record(Bench, path.read_bytes(), path, HINT)
    for name, sha256 in bench.files.items():
        file = folder / name
        if not file.is_file():
            raise MissingInputError(f"{file} is missing", "build the bench again: what is there is kept")
        if sha256_file(file) != sha256:
            raise PvttError(f"{file} is not what {BENCH_FILE} lists", "remove its triplet's folder, and build it again")
    triplets = []
    for name in bench.triplets:
        file = folder / TRIPLETS / name / TRIPLET_FILE
        if not file.is_file():
            raise MissingInputError(f"{file} is missing", "build the bench again: what is there is kept")
        triplets.append(parse_record(Triplet, file.read_bytes(), file, HINT))
    return BenchSet(folder, bench, tuple(triplets))


class Pixels:
    """A triplet's films and masks, each decoded when it is first asked for.

    Args:
        triplet: Its record.
        place: Its folder.
    """

    def __init__(self, triplet: Triplet, place: Path) -> None:
        self.triplet = triplet
        self.place = place
        self._true_text: tuple[str | None] | None = None

    @cached_property
    def template(self) -> Video:
        """(F, H, W, 3)."""
        return read_video(self.place / self.triplet.template)

    @cached_property
    def truth(self) -> Video | None:
        """(F, H, W, 3)."""
        return None if self.triplet.truth is None else read_video(self.place / self.triplet.truth)

    @cached_property
    def template_product(self) -> Region | None:
        """Where the old product is, (F, H, W)."""
        return self._region(self.triplet.template_mask)

    @cached_property
    def product(self) -> Region | None:
        """Where the new product is, (F, H, W); where that is not known, where the old one was."""
        own = self._region(self.triplet.product_mask)
        return self.template_product if own is None else own

    @cached_property
    def region(self) -> Region | None:
        """What has to change, (F, H, W)."""
        return self._region(self.triplet.region)

    @cached_property
    def gallery(self) -> dict[str, Appearance]:
        """The products among which the new one is to be found, as their pictures show them."""
        import cv2

        photos: dict[str, list[Rgba]] = {}
        for one in self.triplet.gallery:
            picture = cv2.imread(str(self.place / one.path), cv2.IMREAD_COLOR_RGB)
            mask = cv2.imread(str(self.place / one.mask_path), cv2.IMREAD_GRAYSCALE)
            if picture is None or mask is None:
                raise PvttError(f"{self.place / one.path} or its mask is no picture", "build the triplet again")
            photos.setdefault(one.product_id, []).append(np.dstack([picture, mask]).astype(np.uint8))
        side = min(self.triplet.width, self.triplet.height)
        looks = {product: embed_photos(own, side) for product, own in photos.items()}
        return {product: look for product, look in looks.items() if look is not None}

    def true_text(self, reader: Reader) -> str | None:
        """What is written on the product in the true film, read once; None without a truth or where it is not seen.

        Where a triplet says what its product is made of, only lettered ones are read: others' prints are no text.
        """
        if self._true_text is None:
            truth, product = self.truth, self.product
            is_lettered = self.triplet.splits.get("material", LETTERED) == LETTERED
            if not is_lettered or truth is None or product is None:
                self._true_text = (None,)
            else:
                self._true_text = (read_product(truth, product, reader),)
        return self._true_text[0]

    @cached_property
    def template_motions(self) -> list[Motion | None]:
        """Of each shot of the template; None of a single frame."""
        return self._motions(self.template)

    @cached_property
    def true_motions(self) -> list[Motion | None]:
        """Of each shot of the truth; none without it."""
        return [] if self.truth is None else self._motions(self.truth)

    def _motions(self, video: Video) -> list[Motion | None]:
        return [estimate_motion(video[part]) if shot.num_frames > 1 else None for shot, part in self.shots()]

    def shots(self) -> Iterator[tuple[BenchShot, slice]]:
        """Each shot with its frames."""
        for shot in self.triplet.shots:
            yield shot, slice(shot.first_frame, shot.first_frame + shot.num_frames)

    def _region(self, name: str | None) -> Region | None:
        return None if name is None else np.asarray(read_masks(self.place / name) > HALF)
