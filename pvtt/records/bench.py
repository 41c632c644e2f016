"""PVTT-Bench on disk: what a folder of triplets holds, and what a run of contenders over it leaves.

<bench>/bench.json                     `Bench`: the triplets, and the hash of every file
<bench>/triplets/<name>/triplet.json   `Triplet`, beside its films, masks and photos

<run>/run.json                         `BenchRun`
<run>/films/<contender>/<name>.mp4     a film, its `BenchFilm` (.json) and its `BenchScore` (.score.json)
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record
from pvtt.records.catalog import Sha256

BENCH_FILE = "bench.json"
TRIPLETS = "triplets"
TRIPLET_FILE = "triplet.json"
RUN_FILE = "run.json"

Point = tuple[float, float, float]
BenchKind = Literal["synthetic", "real"]
Material = Literal["matte", "metal", "glass", "patterned", "text"]


class CameraPath(Record):
    """Where the camera is and what it looks at, frame by frame; the floor is y = 0, up is +y."""

    positions: tuple[Point, ...]
    targets: tuple[Point, ...]
    fov_y_deg: float = Field(gt=0, lt=180)


class BenchShot(Record):
    """One shot of a template."""

    first_frame: int = Field(ge=0)
    num_frames: int = Field(gt=0)
    move: str | None = None  # what the camera does
    camera: CameraPath | None = None  # exactly how; None: not known


class GalleryPhoto(Record):
    """A picture by which a product is told from those like it. Paths are relative to the triplet's folder."""

    product_id: str
    path: str
    mask_path: str  # white where the product is


class Triplet(Record):
    """A template film and photos of another product; where it is known, the film that should come out.

    Paths are relative to the triplet's folder. Masks are films of one grey channel, white where the product is.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")  # a submission's film has it
    product_id: str  # of the photos' product
    template_product_id: str  # of the one whose place it takes
    category: str
    caption: str = ""  # the new product in words
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fps: float = Field(gt=0)
    num_frames: int = Field(gt=0)
    shots: tuple[BenchShot, ...] = Field(min_length=1)
    splits: dict[str, str] = Field(default_factory=dict)  # what its figures are shown by, such as material: glass
    template: str
    photos: tuple[str, ...] = Field(min_length=1)
    truth: str | None = None  # the same shots with the new product
    product_mask: str | None = None  # of the new product, in the truth
    template_mask: str | None = None  # of the old one, in the template
    region: str | None = None  # where the truth differs from the template: products, shadows, reflections
    gallery: tuple[GalleryPhoto, ...] = ()  # the new product, those like it, and the old one

    @property
    def cuts(self) -> tuple[int, ...]:
        """The first frame of every shot but the first."""
        return tuple(shot.first_frame for shot in self.shots[1:])


class Bench(Record):
    """`bench.json`."""

    schema_version: Literal[1] = 1
    kind: BenchKind
    triplets: tuple[str, ...] = Field(min_length=1)  # names, in order
    files: dict[str, Sha256]  # below the bench's folder
    # Of what each triplet is rendered from, the same on every machine; more than `triplets` where not all are rendered.
    plans: dict[str, Sha256] = Field(default_factory=dict)


class BenchFilm(Record):
    """How a contender's film of one triplet came about; beside it."""

    schema_version: Literal[1] = 1
    contender: str
    triplet: str
    key: Sha256  # of all that it depends on
    sha256: Sha256 | None  # of the film; None: there is none
    reason: str = ""  # why there is none, as a code
    message: str = ""  # the same for a person
    seed: int
    command: str  # that makes it again
    versions: dict[str, str]
    seconds: float = Field(ge=0)  # that making it took


class BenchScore(Record):
    """A film's figures; None: not measured."""

    schema_version: Literal[1] = 1
    key: Sha256  # of the film, the triplet and the measuring code
    values: dict[str, float | None]


class RunTriplet(Record):
    """What tables need of a triplet."""

    name: str
    product_id: str  # whose triplets hang together
    caption: str
    splits: dict[str, str]


class BenchRun(Record):
    """`run.json`: what was run on which triplets."""

    schema_version: Literal[1] = 1
    bench: str  # the folder
    bench_sha256: Sha256  # of its bench.json
    kind: BenchKind
    triplets: tuple[RunTriplet, ...]
    contenders: tuple[str, ...]  # in the order of every table
    says: dict[str, str]  # of each contender: what it is
    controls: tuple[str, ...]
    seed: int
    command: str
    versions: dict[str, str]
    networks: tuple[str, ...]  # that measure, and were there
