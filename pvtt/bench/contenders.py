"""Who makes films of triplets: the model, whole ads by `pvtt.generate`; those of an evaluation that need no learning;
and controls, which show what each figure can reach and what it cannot tell.

Given the exact place of the old product are `paste`, `inpaint`, `mean_fill` and `model_masked`; the model and its
control find it themselves.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pvtt.bench.sets import BenchSet, Pixels
from pvtt.encoding.collage import HoleShape, collage
from pvtt.encoding.masks import MaskShape, conditioning_mask
from pvtt.encoding.room import room_for
from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.contender import (
    DEFAULT_START,
    ConditionedSample,
    Contender,
    Network,
    Setting,
    Start,
    Task,
)
from pvtt.evaluation.contenders.inpaint import Inpaint
from pvtt.evaluation.contenders.mean_fill import MeanFill
from pvtt.evaluation.contenders.paste import Paste
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_bytes, sha256_file
from pvtt.generation.ad.job import default_model, generate
from pvtt.generation.ad.label import PRODUCER, Label
from pvtt.generation.ad.photos import read_photos
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.template import read_template
from pvtt.generation.ad.write import AdWriter
from pvtt.generation.composite import composite
from pvtt.media.arrays import Rgba, Video
from pvtt.media.inpaint import inpaint
from pvtt.models.origin import model_sha256
from pvtt.records.bench import Triplet

SHAPE = HoleShape("box", 0.05)
GREY = 127  # of the hole, where it is shown
HINT = "docs/bench.md lists the contenders"


@dataclass(frozen=True)
class Job:
    """A film to make.

    Attributes:
        bench: The set.
        triplet: Of it.
        pixels: The triplet's.
        path: The .mp4 to write.
        seed: Of the noise.
    """

    bench: BenchSet
    triplet: Triplet
    pixels: Pixels
    path: Path
    seed: int

    @property
    def template(self) -> Path:
        return self.pixels.place / self.triplet.template

    @property
    def photos(self) -> list[Path]:
        return [self.pixels.place / photo for photo in self.triplet.photos]


class BenchContender(Protocol):
    """Makes a film of a triplet, with the template's frames, size and sound."""

    name: str
    says: str  # one plain line for people
    is_control: bool

    def key(self) -> object:
        """What its films depend on besides its name, the triplet and the seed, as JSON."""
        ...

    def command(self, job: Job) -> str:
        """What makes the film again."""
        ...

    def make(self, job: Job) -> None:
        """Write the film to `job.path`.

        Raises:
            PvttError: It cannot; says why.
        """
        ...


def _bench_command(job: Job, name: str) -> str:
    words = ["pvtt", "bench", "run", "--bench", str(job.bench.folder), "--contenders", name]
    return shlex.join([*words, "--only", job.triplet.name, "--seed", str(job.seed), "--out", "OUT"])


@dataclass(frozen=True)
class Copied(BenchContender):
    """A control that copies one of the triplet's own films."""

    name: str
    says: str
    which: Callable[[Triplet], str | None]
    is_control: bool = True

    def key(self) -> object:
        return None

    def command(self, job: Job) -> str:
        return _bench_command(job, self.name)

    def make(self, job: Job) -> None:
        source = self.which(job.triplet)
        if source is None:
            raise PvttError(f"{job.triplet.name} has no such film", "only synthetic triplets have a truth")
        shutil.copyfile(job.pixels.place / source, job.path)


SOURCE_COPY = Copied("source_copy", "the template as it is: nothing was done", lambda triplet: triplet.template)
GROUND_TRUTH = Copied(
    "ground_truth", "the true film: what the measures themselves allow", lambda triplet: triplet.truth
)


class NoNetwork:
    """The sampler of contenders that sample nothing: as for any network that it has not, asking is a mistake."""

    base_swaps = False
    drafts = False

    @property
    def networks(self) -> frozenset[Network]:
        return frozenset()

    def videos(
        self,
        samples: Sequence[ConditionedSample],
        products: Sequence[ConditionedSample] | None,
        *,
        network: Network,
        start: Start = DEFAULT_START,
    ) -> list[Video]:
        """See `Sampler.videos`. Raises `ValueError`."""
        raise ValueError(f"the network {network} was asked for, and there is none here")

    def reconstructions(self, samples: Sequence[ConditionedSample]) -> list[Video]:
        """See `Sampler.reconstructions`. Raises `ValueError`."""
        raise ValueError("an autoencoder was asked for, and there is none here")


@dataclass(frozen=True)
class Filled(BenchContender):
    """A contender of evaluations that needs no learning, in each shot of the film.

    The hole is a box around the old product and the room that the new one needs by its photos.
    """

    contender: Contender
    mean_colour: Callable[[Job], npt.NDArray[np.uint8]]
    is_control: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.contender.name

    @property
    def says(self) -> str:  # type: ignore[override]
        return self.contender.says

    def key(self) -> object:
        return code_of(Filled, type(self.contender))

    def command(self, job: Job) -> str:
        return _bench_command(job, self.name)

    def make(self, job: Job) -> None:
        old = job.pixels.template_product
        if old is None:
            raise PvttError(f"{job.triplet.name} does not say where the old product is", "give it a template_mask")
        photos = read_photos(job.photos)
        setting = Setting(NoNetwork(), self.mean_colour(job), SHAPE)
        film = job.pixels.template.copy()
        for _, part in job.pixels.shots():
            task = _task(job, film[part], old[part], photos)
            (made,) = self.contender.videos([task], setting)
            if made is not None:
                film[part] = composite(made, film[part], task.hole)
        write_film(job, film)


def _task(job: Job, template: Video, old: npt.NDArray[np.bool_], photos: Sequence[Rgba]) -> Task:
    covered = old | room_for(old, photos)
    hole = conditioning_mask(covered, MaskShape(kind=SHAPE.kind), SHAPE.dilation)
    empty = np.where(hole[..., None], np.uint8(GREY), template)
    return Task(
        key=job.triplet.name,
        template=empty,
        hole=hole,
        photos=photos,
        conditions=None,
        partner=None,
        inpainted=inpaint(empty, hole),
        collage=collage(empty, hole, photos, SHAPE),
        caption=job.triplet.caption,
    )


def write_film(job: Job, film: Video) -> None:
    """Write a film, (F, H, W, 3), with the template's times and sound."""
    template = read_template(job.template)
    number = f"{job.triplet.name}-{sha256_bytes(film.tobytes())[:16]}"  # other pictures have another
    with AdWriter(job.path, template, Label(PRODUCER, number)) as writer:
        for frame in film:
            writer.write(frame)


@dataclass
class Generated(BenchContender):
    """Whole ads by `pvtt.generate`.

    Args:
        name, says, is_control: As `BenchContender`.
        model: The model's folder; None: the one that the project ships.
        swapped: Of each triplet the photos and the words of the next one that has another product.
        masked: Told where the old product is; otherwise it is looked for.
        shared: Holds the model, which all films share.
    """

    name: str
    says: str
    model: Path | None
    shared: Shared
    swapped: bool = False
    masked: bool = False
    is_control: bool = False

    @cached_property
    def _folder(self) -> Path:
        return default_model() if self.model is None else self.model

    def key(self) -> object:
        if not self._folder.is_dir():
            raise MissingInputError(f"the model folder {self._folder} does not exist", "give --model another one")
        return [model_sha256(self._folder), code_of(Generated, "pvtt.generation.ad.job:generate")]

    def command(self, job: Job) -> str:
        photos, caption = self._product(job)
        words = ["pvtt", "generate", "--template", str(job.template), "--model", str(self._folder)]
        words += [word for photo in photos for word in ("--photos", str(photo))]
        words += ["--prompt", caption, "--seed", str(job.seed), "--no-compare", "-o", job.path.name]
        return shlex.join([*words, "--mask", str(self._mask(job))] if self.masked else words)

    def make(self, job: Job) -> None:
        photos, caption = self._product(job)
        generate(
            job.template,
            photos,
            job.path,
            model=self._folder,
            mask=self._mask(job) if self.masked else None,
            prompt=caption,
            seed=job.seed,
            compare=False,
            shared=self.shared,
        )

    def _product(self, job: Job) -> tuple[list[Path], str]:
        if not self.swapped:
            return job.photos, job.triplet.caption
        triplets = job.bench.triplets
        start = triplets.index(job.triplet)
        turned = (*triplets[start + 1 :], *triplets[:start])
        other = next((one for one in turned if one.product_id != job.triplet.product_id), None)
        if other is None:
            raise PvttError(f"{job.bench.folder} has one product alone: no photos to swap", "add a triplet of another")
        return [job.bench.place(other) / photo for photo in other.photos], other.caption

    def _mask(self, job: Job) -> Path:
        name = job.triplet.template_mask
        if name is None:
            raise PvttError(f"{job.triplet.name} does not say where the old product is", "give it a template_mask")
        return job.pixels.place / name


@dataclass(frozen=True)
class Submission(BenchContender):
    """Somebody else's films, matched by name.

    Args:
        folder: With `<triplet>.mp4`.
    """

    folder: Path
    name: str = "submission"
    is_control: bool = False

    @property
    def says(self) -> str:  # type: ignore[override]
        return f"films that were made elsewhere: {self.folder.name}"

    def key(self) -> object:
        films = sorted(self.folder.glob("*.mp4"))
        return [[film.name, sha256_file(film)] for film in films]

    def command(self, job: Job) -> str:
        return f"{_bench_command(job, self.name)} --submission {shlex.quote(str(self.folder))}"

    def make(self, job: Job) -> None:
        film = self.folder / f"{job.triplet.name}.mp4"
        if not film.is_file():
            raise MissingInputError(f"{film} is not there", "`pvtt bench submit-check` lists what is missing")
        shutil.copyfile(film, job.path)


@dataclass
class _MeanColour:
    """The mean colour of the other triplets' products, on the first photo of each."""

    _known: dict[Path, npt.NDArray[np.float64]] = field(default_factory=dict)

    def __call__(self, job: Job) -> npt.NDArray[np.uint8]:
        others = [one for one in job.bench.triplets if one.product_id != job.triplet.product_id]
        colours = [self._of(job.bench.place(one) / one.photos[0]) for one in others]
        return np.rint(np.mean(colours, axis=0) if colours else np.full(3, GREY)).astype(np.uint8)

    def _of(self, photo: Path) -> npt.NDArray[np.float64]:
        if photo not in self._known:
            (cutout,) = read_photos([photo])
            self._known[photo] = cutout[cutout[..., 3] > GREY][:, :3].mean(axis=0)
        return self._known[photo]


def all_contenders(model: Path | None, submission: Path | None) -> dict[str, BenchContender]:
    """All that can be asked for, in the order of every table.

    Args:
        model: The model's folder; None: the one that the project ships.
        submission: The folder of somebody else's films; None: there is none.
    """
    shared, mean = Shared(), _MeanColour()
    every: list[BenchContender] = [
        GROUND_TRUTH,
        SOURCE_COPY,
        Filled(MeanFill(), mean),
        Filled(Inpaint(), mean),
        Filled(Paste(), mean),
        Generated("swapped", "the model with another triplet's photos", model, shared, swapped=True, is_control=True),
        Generated("model", "the model: the whole of `pvtt generate`", model, shared),
        Generated("model_masked", "the same, told where the old product is", model, shared, masked=True),
    ]
    if submission is not None:
        every.append(Submission(submission))
    return {contender.name: contender for contender in every}


def chosen(
    names: Sequence[str], model: Path | None, submission: Path | None, *, has_truth: bool = True
) -> list[BenchContender]:
    """The contenders of these names, with the controls that stand in every table, in the tables' order.

    Args:
        names: As `all_contenders` has them.
        model: As of `all_contenders`.
        submission: As of `all_contenders`.
        has_truth: Whether the triplets have one; otherwise it is no control.

    Raises:
        PvttError: There is no such contender.
    """
    known = all_contenders(model, submission)
    unknown = sorted(set(names) - set(known))
    if unknown:
        more = "give --submission its folder" if "submission" in unknown else f"there are {', '.join(known)}; {HINT}"
        raise PvttError(f"no contender {', '.join(unknown)}", more)
    wanted = {GROUND_TRUTH.name, SOURCE_COPY.name, *names}
    if not has_truth:
        wanted.discard(GROUND_TRUTH.name)
    if submission is not None:
        wanted.add("submission")
    return [contender for name, contender in known.items() if name in wanted]
