"""Takes as a workspace: what `validate` would have left, so that the stages train on procedural products.

    <workspace>/outs/clip/videos, outs/segment/masks, outs/photos/photos    films, exact masks, cut-out photos
    <workspace>/outs/validate/entries.jsonl                                 two samples a product, with templates
    <workspace>/outs/validate/transfers.json                                test samples once more, as transfers
    <workspace>/models                                                      copies of the project's
    <workspace>/params.yaml                                                 the project's under a profile

Each product is seen in two films: in its own take, and in its partner's. The other film of a take is the template of a
transfer to it.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from PIL import Image

from pvtt.builtin.shop.products import varied_spec
from pvtt.builtin.wan_tiny.data import NAMESPACE
from pvtt.builtin.wan_tiny.takes import HEIGHT, NUM_FRAMES, WIDTH, Take, partner_of, read_take
from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.items.progress import Progress
from pvtt.media.masks import write_masks
from pvtt.media.video import write_video
from pvtt.params.profiles import apply_profile
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import (
    ENTRIES_FILE,
    FIRST_TRANSFER,
    DatasetEntry,
    Split,
    TemplateClip,
    TransferSet,
    write_transfers,
)

FPS = 12.0
PROFILES, FIRST_ROUND, FURTHER_ROUND = "infra/profiles", "champion", "champion_more"
NUM_TEST = 40  # products, the first of all; partners share a split
NUM_VAL = 10


def split_of(index: int) -> Split:
    """The split of a product: partners are together, and more products change no one's split."""
    if index < NUM_TEST:
        return "test"
    return "val" if index < NUM_TEST + NUM_VAL else "train"


def write_workspace(
    directory: Path,
    indices: Sequence[int],
    project: Workspace,
    destination: Path,
    profile: str = FIRST_ROUND,
    jobs: int = 1,
) -> int:
    """Write takes as a workspace; what is there of an earlier call is kept.

    Args:
        directory: As `render_takes` was given.
        indices: Products whose takes and whose partners' takes are rendered.
        project: Whose models are copied, and whose params are taken under the profile.
        destination: The workspace's root.
        profile: `FIRST_ROUND` or `FURTHER_ROUND`.
        jobs: Processes.

    Returns:
        The number of samples.
    """
    workspace = Workspace(destination)
    destination.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project.params_file, workspace.params_file)
    apply_profile(workspace.params_file, project.root / PROFILES, profile)
    for model in ("wan-tiny",) if profile == FIRST_ROUND else ("wan-tiny", "pvtt-tiny"):
        shutil.copytree(project.root / "models" / model, destination / "models" / model, dirs_exist_ok=True)
    captions: dict[int, str] = {}
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(min(jobs, len(indices)), context) as pool,
        Progress("wan-tiny workspace", len(indices), unit="products") as progress,
    ):
        written = pool.map(_write_take, repeat(directory), indices, repeat(workspace), chunksize=4)
        for index, caption in zip(indices, written, strict=True):
            captions[index] = caption
            progress.advance()
    entries = [entry for index in indices for entry in _entries(workspace, index, captions[index])]
    validated = workspace.out("validate")
    write_jsonl(validated / ENTRIES_FILE, entries)
    transfers = tuple(as_transfer(entry) for entry in entries if entry.split == "test")
    reason = None if transfers else "no test product is among these takes"
    write_transfers(validated, TransferSet(entries=transfers, reason=reason))
    return len(entries)


def as_transfer(entry: DatasetEntry) -> DatasetEntry:
    """The same film as what a transfer is to make of its template."""
    clip_id = f"{FIRST_TRANSFER + int(entry.clip_id):04d}"
    return entry.model_copy(update={"track": "transfer", "clip_id": clip_id})


def _product_id(index: int) -> str:
    return f"BASE{index:05d}"


def _film_paths(workspace: Workspace, index: int, film: int) -> tuple[Path, Path]:
    """Video and mask of a take's film."""
    key = f"{_product_id(index)}-{film + 1}"
    return workspace.out("clip") / "videos" / f"{key}.mp4", workspace.out("segment") / "masks" / f"{key}.mkv"


def _photo_paths(workspace: Workspace, index: int, count: int) -> list[Path]:
    folder = workspace.out("photos") / "photos" / _product_id(index)
    return [folder / f"{number:02d}.png" for number in range(1, count + 1)]


def _write_take(directory: Path, index: int, workspace: Workspace) -> str:
    """Write a take's films and photos; returns its product's caption."""
    take = read_take(directory, index)
    _write_films(workspace, take)
    _write_photos(workspace, take)
    # As the shop's pages give it: a model that never saw a brand's name is thrown by one.
    return f"{varied_spec(NAMESPACE, index).title}. {take.caption}"


def _write_films(workspace: Workspace, take: Take) -> None:
    for film, (frames, masks) in enumerate(zip(take.films, take.masks, strict=True)):
        video, mask = _film_paths(workspace, take.index, film)
        if not video.is_file():
            with atomic_path(video) as path:
                write_video(path, frames, FPS)
        if not mask.is_file():
            with atomic_path(mask) as path:
                write_masks(path, masks, FPS)


def _write_photos(workspace: Workspace, take: Take) -> None:
    for photo, path in zip(take.photos, _photo_paths(workspace, take.index, len(take.photos)), strict=True):
        if not path.is_file():
            with atomic_path(path) as temporary:
                Image.fromarray(photo).save(temporary, "PNG")


def _entries(workspace: Workspace, index: int, caption: str) -> Iterator[DatasetEntry]:
    """A product's samples: itself in its own take, and in its partner's."""
    root = workspace.root
    photos = sorted((workspace.out("photos") / "photos" / _product_id(index)).glob("*.png"))
    for number, (take, film) in enumerate(((index, 0), (partner_of(index), 1)), start=1):
        video, mask = _film_paths(workspace, take, film)
        other_video, other_mask = _film_paths(workspace, take, 1 - film)
        yield DatasetEntry(
            split=split_of(index),
            product_id=_product_id(index),
            clip_id=f"{number:03d}",
            category="procedural",
            caption=caption,
            clip_path=video.relative_to(root).as_posix(),
            mask_path=mask.relative_to(root).as_posix(),
            photo_paths=tuple(path.relative_to(root).as_posix() for path in photos),
            clip_sha256=sha256_file(video),
            mask_sha256=sha256_file(mask),
            photo_sha256s=tuple(sha256_file(path) for path in photos),
            num_frames=NUM_FRAMES,
            fps=FPS,
            width=WIDTH,
            height=HEIGHT,
            template=TemplateClip(
                product_id=_product_id(partner_of(index)),
                clip_path=other_video.relative_to(root).as_posix(),
                mask_path=other_mask.relative_to(root).as_posix(),
                clip_sha256=sha256_file(other_video),
                mask_sha256=sha256_file(other_mask),
            ),
        )
