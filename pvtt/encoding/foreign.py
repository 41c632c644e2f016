"""Foreign clips: films of other sources that show no product of the data set, for `train.loss.foreign_preservation`.

A clip's caption is the text file beside it with its name (`street.mp4`, `street.txt`); without one it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from pvtt.encoding.encode import load_encoders, one_thread, precision
from pvtt.encoding.store import TENSORS_FILE
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.items.runner import Item, ItemRejectedError
from pvtt.media.arrays import Video
from pvtt.media.framing import fit
from pvtt.media.video import VideoError, VideoReader
from pvtt.models.text import encode_text
from pvtt.models.vae import encode_video, to_unit_range
from pvtt.params.encode import EncodeParams
from pvtt.records.base import Record
from pvtt.records.dataset import ForeignSample

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
HINT = "set encode.preservation_clips to a folder of other films, or to null"


class ForeignClip(Record):
    """One film. Places on this machine stay out of its JSON, so that the item cache can move."""

    name: str
    caption: str
    sha256: str
    path: Path = Field(exclude=True)
    base: Path = Field(exclude=True)


class ForeignParams(Record):
    """What of `EncodeParams` a foreign clip's tensors depend on."""

    num_frames: int
    frame_stride: int
    width: int
    height: int
    variants: int
    text_tokens: int
    dtype: str

    @classmethod
    def of(cls, params: EncodeParams) -> ForeignParams:
        return cls.model_validate(params.model_dump(include=set(cls.model_fields)))


def foreign_items(
    workspace: Workspace, folder: str | None, base: Path, networks: Sequence[str]
) -> list[Item[ForeignClip]]:
    """An item a film of the folder and its subfolders, each content once.

    Args:
        workspace: The project; `folder` is relative to it.
        folder: `encode.preservation_clips`; None has no films.
        base: The base model's pipeline folder.
        networks: Hashes of its encoders.

    Raises:
        MissingInputError: There is no such folder.
        PvttError: It holds no film, or it is part of the data set.
    """
    if folder is None:
        return []
    root = (workspace.root / folder).resolve()
    if not root.is_dir():
        raise MissingInputError(f"encode.preservation_clips: {root} is no folder", HINT)
    if any(root.is_relative_to(own.resolve()) for own in (workspace.data, workspace.out("encode").parent)):
        raise PvttError(f"encode.preservation_clips: {root} holds the data set's own films", HINT)
    films: dict[str, Path] = {}
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES):
        films.setdefault(sha256_file(path), path)
    if not films:
        raise PvttError(f"encode.preservation_clips: {root} holds no film ({', '.join(SUFFIXES)})", HINT)
    items = []
    for sha256, path in films.items():
        caption = path.with_suffix(".txt")
        clip = ForeignClip(
            name=path.relative_to(root).as_posix(),
            caption=" ".join(caption.read_text(encoding="utf-8").split()) if caption.is_file() else "",
            sha256=sha256,
            path=path,
            base=base,
        )
        items.append(Item(name=f"foreign/{clip.name}", payload=clip, inputs=(sha256, *networks)))
    return items


def encode_foreign(clip: ForeignClip, directory: Path, params: ForeignParams) -> ForeignSample:
    """Encode windows of a film, spread evenly over it, into `TENSORS_FILE` in `directory`.

    A window is `num_frames` of the film's frames, `frame_stride` apart, each scaled to cover the size and cropped.

    Raises:
        ItemRejectedError: The film is too short, or as `VideoError` and `UnshowableError` have it.
        MissingCodecError: This machine cannot decode it.
    """
    from safetensors.torch import save_file

    encoders = load_encoders(clip.base, "vae", None, None)
    try:
        windows = _read_windows(clip.path, params)
    except VideoError as error:
        raise ItemRejectedError(error.reason, "; ".join(filter(None, (error.message, error.hint)))) from None
    dtype = getattr(torch, params.dtype)
    with one_thread(), torch.inference_mode(), precision(encoders.vae.device.type, dtype):
        videos = to_unit_range(torch.from_numpy(windows))
        latents = encode_video(encoders.vae, videos)
        text = encode_text([clip.caption], encoders.tokenizer, encoders.text_encoder, params.text_tokens)[0]
    tensors = {"latents": latents, "text": text}
    save_file({name: one.cpu().to(dtype).contiguous() for name, one in tensors.items()}, directory / TENSORS_FILE)
    channels, frames, height, width = latents.shape[1:]
    return ForeignSample(
        name=clip.name,
        caption=clip.caption,
        path=f"samples/foreign-{clip.sha256[:16]}.safetensors",
        num_variants=len(latents),
        latent_shape=(channels, frames, height, width),
    )


def _read_windows(path: Path, params: ForeignParams) -> Video:
    """(V, F, H, W, 3); the film is decoded twice, so that only what is wanted is held."""
    with VideoReader(path, to_bt709=True) as reader:
        num_frames = sum(1 for _ in reader)
    span = (params.num_frames - 1) * params.frame_stride + 1
    room = num_frames - span
    if room < 0:
        raise ItemRejectedError("too_short", f"{num_frames} frames, but a window spans {span}")
    starts = sorted({room * (2 * number + 1) // (2 * params.variants) for number in range(params.variants)})
    places = [range(start, start + span, params.frame_stride) for start in starts]
    wanted = {place for window in places for place in window}
    with VideoReader(path, to_bt709=True) as reader:
        aspect = reader.sample_aspect_ratio
        found = {
            number: fit(frame, aspect, params.width, params.height)
            for number, (_, frame) in enumerate(reader)
            if number in wanted
        }
    return np.stack([np.stack([found[place] for place in window]) for window in places])
