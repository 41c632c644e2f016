"""`generate`: a template and photos → a new ad, its contact sheet and its record."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pvtt.errors import PvttError
from pvtt.files.code import running_root
from pvtt.files.storage import TEMPORARY_PREFIX, storage_errors
from pvtt.files.workspace import find_workspace
from pvtt.generation.ad.compare import COMPARISON
from pvtt.generation.ad.label import PRODUCER, check_producer
from pvtt.generation.ad.making import Making
from pvtt.generation.ad.photos import read_photos
from pvtt.generation.ad.plan import input_file, plan_ad
from pvtt.generation.ad.record import AdRecord, read_record
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.settings import chosen_settings
from pvtt.generation.ad.shared import Shared
from pvtt.generation.ad.signing import read_signing
from pvtt.generation.ad.template import Template
from pvtt.generation.ad.visible import VisibleLabel, check_text, draw_label
from pvtt.generation.ad.write import CONTAINERS
from pvtt.models.origin import model_sha256

DEFAULT_MODEL = Path("models") / "pvtt-tiny"
LEFT_S = 24 * 3600  # after which nobody is still writing an unfinished film

Place = str | Path


def generate(
    template: Place,
    photos: Sequence[Place],
    output: Place | None = None,
    *,
    model: Place | None = None,
    mask: Place | None = None,
    prompt: str = "",
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    text_guidance: float | None = None,
    strength: float | None = None,
    frames: int | None = None,
    shots: Sequence[int] | None = None,
    box: Sequence[int] | None = None,
    point: Sequence[int] | None = None,
    aspect: str | None = None,
    producer: str = PRODUCER,
    label: str | None = None,
    label_font: Place | None = None,
    c2pa_cert: Place | None = None,
    c2pa_key: Place | None = None,
    c2pa_alg: str | None = None,
    compare: bool = True,
    preview: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] | None = None,
    shared: Shared | None = None,
) -> AdRecord:
    """Make a new ad: the template with the photos' product in the old one's place.

        record = pvtt.generate("ad.mp4", ["front.jpg", "side.jpg"], "new.mp4", prompt="a gold ring")

    Beside `new.mp4` it writes `new.png`, the contact sheet, `new.json`, the record, and `new.compare.mp4`, template and
    film side by side. What a killed run has made is in the item cache; the same call goes on from there.

    Args:
        template: The film.
        photos: Of the new product.
        output: The new film, .mp4, .mov, .m4v or .mkv; None only with `dry_run`.
        model: A folder that a training or `save_pretrained` wrote; None takes the champion that the project ships.
        mask: A film or a picture, white where the old product is; None looks for it.
        prompt: What the new product is, in words; empty is legal.
        seed: Of the noise.
        steps, guidance, text_guidance, strength: Of the sampler; None takes what the model's folder says.
        frames: Of a window, 4n+1; None takes what the model's folder says.
        shots: Numbers, from 1, of the shots to generate in; None takes those of the product that is shown longest.
        box: x, y, width, height, in the template's pixels, around the old product in the first frame of each of
            `shots`, or of the first shot where none are given.
        point: x, y, in the template's pixels, of any place on the old product in the same frames: instead of `box`.
        aspect: Width to height of the ad, such as 9:16: its frames are cut so that they hold the new product's region;
            None: as the template's.
        producer: Who offers the generation, for the film's machine-readable label: ASCII without spaces, " and \\.
        label: A text for a corner of every frame, which says that the film is generated; None leaves them as they are.
        label_font: The file of the font that it is drawn with; None takes Pillow's own, which has no Chinese.
        c2pa_cert: Sign the film: a file of PEM, the signer's certificate and those above it. See `signing.py`.
        c2pa_key: Likewise, the signer's key.
        c2pa_alg: es256, es384, es512, ps256, ps384, ps512 or ed25519; None takes what the key is for.
        compare: Write the film side by side with the template too.
        preview: Generate one window a shot in two steps, and write the contact sheet alone.
        dry_run: Find shots, products and regions, and write nothing.
        say: Is told in lines what is being done, and the choice of shots before the work begins.
        shared: What the ads of a batch need not load twice.

    Returns:
        The record, as it is written.

    Raises:
        MissingInputError: A file or the model is not there.
        VideoError: The template is no whole film.
        PvttError: A photo shows nothing, or another product than the others; no product is found; the region is too
            large, for the frame or for the ratio asked for; a setting is out of range; or the output would be the
            template, or the photo pasted.
        StorageError: The machine's storage does not take the output or the cache.
    """
    _check_place(box, point, mask)
    if shots is None and (box is not None or point is not None):
        shots = (1,)
    settings = chosen_settings(
        prompt=prompt,
        seed=seed,
        steps=steps,
        product_guidance=guidance,
        text_guidance=text_guidance,
        strength=strength,
        frames=frames,
        shots=None if shots is None else tuple(shots),
        box=None if box is None else tuple(box),
        point=None if point is None else tuple(point),
        aspect=aspect,
    )
    font = None if label_font is None else Path(label_font)
    check_label(producer, label, font)
    paths = [Path(photo) for photo in photos]
    target = None if output is None else Path(output)
    if target is None and not dry_run:
        raise PvttError("no output is given", "give -o the name of the new film")
    if target is not None:
        _check_output(target, [Path(template), *paths, *([font] if font else [])])
    files = [None if path is None else Path(path) for path in (c2pa_cert, c2pa_key)]
    signing = read_signing(files[0], files[1], c2pa_alg, target)
    cutouts = read_photos(paths)
    shared = Shared() if shared is None else shared
    folder = Path(model) if model is not None else default_model()
    if say is not None:
        say(f"looking for shots and products in {template}")
    plan = plan_ad(Path(template), cutouts, folder, None if mask is None else Path(mask), settings, shared)
    record = plan.record(paths, preview)
    record = record.model_copy(
        update={
            "producer": producer,
            "visible_label": label,
            "label_font": None if font is None else input_file(font),
        }
    ).with_produce_id()
    visible = None if label is None else _draw_label(label, font, plan.template, record)
    if say is not None:
        say(plan.choice.says)
    if dry_run or target is None:
        return record
    return Making(plan, record, cutouts, preview, shared, visible, compare, signing).write(target)


def repeat(
    record: Place,
    output: Place,
    say: Callable[[str], None] | None = None,
    *,
    c2pa_cert: Place | None = None,
    c2pa_key: Place | None = None,
    c2pa_alg: str | None = None,
    compare: bool = True,
) -> AdRecord:
    """Make the ad of an earlier run's record again: on one machine, the same bytes, before it is signed.

    Raises:
        MissingInputError, PvttError: As `read_record`; or the model is another one; otherwise as `generate`.
    """
    earlier = read_record(Path(record))
    folder = Path(earlier.model.path)
    if folder.is_dir() and model_sha256(folder) != earlier.model.sha256:
        raise PvttError(f"{folder} holds another model than {record} was made with", "put back the model of then")
    return generate(
        earlier.template.path,
        [photo.path for photo in earlier.photos],
        output,
        model=folder,
        mask=None if earlier.mask is None else earlier.mask.path,
        **earlier.settings.arguments,
        producer=earlier.producer,
        label=earlier.visible_label,
        label_font=None if earlier.label_font is None else earlier.label_font.path,
        c2pa_cert=c2pa_cert,
        c2pa_key=c2pa_key,
        c2pa_alg=c2pa_alg,
        compare=compare,
        preview=earlier.preview,
        say=say,
    )


def _check_place(box: Sequence[int] | None, point: Sequence[int] | None, mask: Place | None) -> None:
    other = "--box" if box is not None else None if mask is None else "--mask"
    if point is not None and other is not None:
        raise AdError(f"--point and {other} both say where the product is", "give the one or the other", "two_places")


def check_label(producer: str, label: str | None, font: Path | None) -> None:
    """Raises PvttError where a film cannot say by these that it is generated."""
    check_producer(producer)
    if label is not None:
        check_text(label, font)
    elif font is not None:
        raise PvttError("a font is given, and no label", "give --label too")


def default_model() -> Path:
    """The folder of the champion that the project ships: the workspace's, or that of the code that runs."""
    own = find_workspace().root / DEFAULT_MODEL
    return own if own.is_dir() else running_root() / DEFAULT_MODEL


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Find out before hours of work that the output cannot be written."""
    if output.suffix.lower() not in CONTAINERS:
        raise PvttError(f"{output} is no name of a film", f"give -o a name that ends in {', '.join(CONTAINERS)}")
    if output.is_dir():
        raise PvttError(f"{output} is a folder", "give -o the name of a file")
    beside = (output.with_suffix(suffix) for suffix in (output.suffix, ".json", ".png", COMPARISON))
    taken = {file.resolve() for file in inputs}
    if clash := next((file for file in beside if file.resolve() in taken), None):
        raise PvttError(f"{clash} is one of the inputs, and would be overwritten", "give -o another name")
    above = next(folder for folder in output.absolute().parents if folder.exists())
    if not above.is_dir():
        raise PvttError(f"{above} is no folder, so {output} cannot be written", "give -o another place")
    with _writable(output), storage_errors(output):
        endings = {"", ".png", ".json", ".mp4", output.suffix, f"-unsigned{output.suffix}"}
        names = {f"{TEMPORARY_PREFIX}????????{ending}" for ending in endings}
        for left in (left for name in names for left in output.parent.glob(name)):  # by a run that was killed
            if left.is_file() and left.stat().st_mtime < time.time() - LEFT_S:
                left.unlink(missing_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=TEMPORARY_PREFIX):
            pass


@contextmanager
def _writable(output: Path) -> Iterator[None]:
    """What is no fault of a disk, such as a place that takes no files at all, as one line too."""
    try:
        yield
    except OSError as error:
        raise PvttError(f"{output} cannot be written: {error.strerror}", "give -o another place") from error


def _draw_label(text: str, font: Path | None, template: Template, record: AdRecord) -> VisibleLabel:
    regions = []
    for shot in record.shots:
        if shot.region is not None:
            (left, top, *sides), corner = shot.region, shot.cut_at or (0, 0)
            regions.append((left - corner[0], top - corner[1], sides[0], sides[1]))
    return draw_label(text, font, record.film_size, template.pixel_aspect, regions)
