"""What a person has, pictures and videos in files, of PIL or as arrays, → checked arrays that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from pvtt.encoding.collage import Collage
from pvtt.errors import PvttError, first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Frame, Region, Rgba, Video
from pvtt.media.cutouts import letterbox
from pvtt.media.masks import read_masks
from pvtt.media.video import read_video
from pvtt.models.vae import TEMPORAL_FACTOR, latent_frames
from pvtt.params.photos import PhotosParams
from pvtt.photos.cutout import cut_out
from pvtt.photos.decode import as_seen, decode

Array: TypeAlias = npt.NDArray[Any]
Place: TypeAlias = str | Path
PhotoLike: TypeAlias = Place | Image.Image | Array
VideoLike: TypeAlias = Place | Array | Sequence[Image.Image] | Sequence[Array]
MaskLike: TypeAlias = Place | Image.Image | Array | Sequence[Image.Image] | Sequence[Array]

SIZE_MULTIPLE = 16  # 8 by the VAE, 2 by the patches
REVERSED_BORDER = 0.95  # of the border masked: no clip that passes `segment` comes near this
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
HALF = 127  # a mask's picture or video is 1 above


@dataclass(frozen=True)
class TemplateInput:
    """One video to generate, as arrays.

    Args:
        video: The template, (F, H, W, 3); F = 4n+1, H and W multiples of 16.
        mask: True where to generate, (F, H, W).
        photos: Of the new product, cut out and square; none generates without product.
        prompt: The caption; empty is legal.
        collage: A photo in its place; None: the one that fits the mask best.
    """

    video: Video
    mask: Region
    photos: tuple[Rgba, ...]
    prompt: str
    collage: Collage | None = None


def read_batch(
    video: VideoLike | Sequence[VideoLike],
    mask: MaskLike | Sequence[MaskLike] | None,
    photos: PhotoLike | Sequence[PhotoLike] | Sequence[Sequence[PhotoLike]],
    prompt: str | Sequence[str],
) -> list[TemplateInput]:
    """Read one input or a batch. Each argument is one for all, or a list of one for each; no mask is 1 everywhere.

    Raises:
        PvttError: Lists differ in length, videos in shape; otherwise as `read_template`, `read_mask`, `check_inputs`
            and `read_photo`.
    """
    given: dict[str, tuple[Any, bool]] = {
        "video": (video, _is_list(video) and not _is_picture(video, 3)),
        "mask": (mask, _is_list(mask) and not _is_picture(mask, 2)),
        "photos": (photos, _is_list(photos) and any(_is_list(photo) for photo in photos)),
        "prompt": (prompt, _is_list(prompt)),
    }
    lengths = {name: len(value) for name, (value, several) in given.items() if several}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shown = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise PvttError(f"a batch of {shown}", "give lists of one length, or one of a kind for all")
    size = next(iter(lengths.values()), 1)

    def read(name: str, reader: Callable[[Any], Any]) -> list[Any]:
        value, several = given[name]
        return [reader(one) for one in value] if several else [reader(value)] * size

    videos = read("video", read_template)
    shapes = sorted({frames.shape for frames in videos})
    if len(shapes) > 1:
        raise PvttError(f"videos of one batch differ in shape: {shapes[0]} and {shapes[1]}", "call once for each shape")
    everywhere = np.ones(videos[0].shape[:3], np.bool_)
    masks = [everywhere] * size if mask is None else read("mask", lambda one: read_mask(one, len(videos[0])))
    for frames, hole in zip(videos, masks, strict=True):
        check_inputs(frames, hole)
    product_photos = read("photos", read_photos)
    rows = zip(videos, masks, product_photos, read("prompt", str), strict=True)
    return [TemplateInput(frames, hole.astype(bool), cut_outs, text) for frames, hole, cut_outs, text in rows]


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_picture(value: Sequence[Any], ndim: int) -> bool:
    """Whether a list is one video or mask, frame by frame."""
    return len(value) > 0 and (
        isinstance(value[0], Image.Image) or (isinstance(value[0], np.ndarray) and value[0].ndim == ndim)
    )


def read_template(video: VideoLike) -> Video:
    """A template's frames: the file of a video, its frames as PIL pictures or arrays, or one array of them.

    Raises:
        PvttError: The file is no whole video, or pictures differ in size.
    """
    if isinstance(video, (str, Path)):
        return read_video(_file(video, "video"))
    if isinstance(video, np.ndarray) and video.ndim:
        return video
    if not _is_list(video):
        raise _unknown("video", video)
    return _stack([_as_frame(frame) if isinstance(frame, Image.Image) else frame for frame in video])


def _as_frame(picture: Image.Image) -> Array:
    return np.asarray(as_seen(picture)[0].convert("RGB"))


def read_mask(mask: MaskLike, num_frames: int) -> Array:
    """Where to generate, (F, H, W).

    Args:
        mask: A video's or a picture's file or PIL pictures, 1 where brighter than mid-grey; or an array, taken as it
            is. A single picture, (H, W), stands for all frames.
        num_frames: F.

    Raises:
        PvttError: The file cannot be read, or pictures differ in size.
    """
    if isinstance(mask, (str, Path)):
        path = _file(mask, "mask")
        mask = _open(path) if path.suffix.lower() in PICTURE_SUFFIXES else read_masks(path) > HALF
    if isinstance(mask, Image.Image):
        mask = _as_mask(mask)
    if not isinstance(mask, np.ndarray):
        if not _is_list(mask):
            raise _unknown("mask", mask)
        mask = _stack([_as_mask(frame) if isinstance(frame, Image.Image) else frame for frame in mask])
    return np.repeat(mask[None], num_frames, axis=0) if mask.ndim == 2 else mask


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise_storage_fault(error, path)
        raise PvttError(f"{path} is no picture: {first_line(error)}", "give a PNG, or the file of a video") from None


def _as_mask(picture: Image.Image) -> Array:
    return np.asarray(picture.convert("L")) > HALF


def read_photos(photos: PhotoLike | Sequence[PhotoLike]) -> tuple[Rgba, ...]:
    """One product's photos: a list, an array (N, H, W, 3 or 4), or a single one. Raises as `read_photo`."""
    several = _is_list(photos) or (isinstance(photos, np.ndarray) and photos.ndim == 4)
    listed: Any = photos if several else [photos]
    return tuple(read_photo(photo) for photo in listed)


def read_photo(photo: PhotoLike) -> Rgba:
    """A photo of the product, cut out and square.

    A square RGBA photo with transparent pixels is taken as it is, as `outs/photos` has them. Any other is prepared as
    the `photos` stage does it: what stands out is cut out of its background, unless the photo has transparent pixels of
    its own, and centred in a transparent square.

    Args:
        photo: A file, a PIL picture, or an array (H, W, 3 or 4), uint8.

    Raises:
        PvttError: It cannot be read, or nothing stands out.
    """
    name = str(photo) if isinstance(photo, (str, Path)) else "a photo"
    if isinstance(photo, np.ndarray) and (photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] not in (3, 4)):
        raise PvttError(
            f"{name} is {photo.dtype} of shape {photo.shape}", "give uint8, (H, W, 3) RGB or (H, W, 4) RGBA"
        )
    if not isinstance(photo, (str, Path, Image.Image, np.ndarray)):
        raise _unknown("photo", photo)
    try:
        if isinstance(photo, (str, Path)):
            picture = decode(_file(photo, "photo"))
        else:
            picture, _ = as_seen(photo if isinstance(photo, Image.Image) else Image.fromarray(photo))
        if picture.mode == "RGBA" and picture.width == picture.height:
            pixels = np.asarray(picture)
            if pixels[..., 3].min() == 0:
                return pixels
        settings = PhotosParams()
        return letterbox(cut_out(picture), settings.size, settings.margin)
    except ItemRejectedError as error:
        says = error.message.removeprefix(f"{Path(name).name}: ")  # of a file, it names it itself
        raise PvttError(f"{name}: {says}", "give another photo, or one that is cut out (RGBA)") from None


def _file(place: Place, what: str) -> Path:
    path = Path(place)
    if not path.is_file():
        raise PvttError(f"the {what} {path} does not exist", "correct the path")
    return path


def _unknown(what: str, value: object) -> PvttError:
    return PvttError(f"a {what} cannot be a {type(value).__name__}", "give a file's path, PIL pictures or an array")


def _stack(frames: Sequence[Frame]) -> Array:
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) != 1:
        shown = " and ".join(str(shape) for shape in shapes[:2]) or "none"
        raise PvttError(f"frames of one shape are needed; there are {shown}", "give frames of one size")
    return np.stack(frames)


def check_inputs(video: Video, mask: Array) -> None:
    """Refuse a template and mask that a model would silently make nonsense of.

    Raises:
        PvttError: Wrong type, shape, length, size or mask values.
    """
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise PvttError(f"video is {video.dtype} of shape {video.shape}", "give uint8 RGB frames, (F, H, W, 3)")
    num_frames, height, width, _ = video.shape
    if num_frames % TEMPORAL_FACTOR != 1:
        legal = (latent_frames(num_frames) - 1) * TEMPORAL_FACTOR + 1
        raise PvttError(f"{num_frames} frames is not 4n+1", f"give {legal} or {legal + TEMPORAL_FACTOR} frames")
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise PvttError(f"{width}×{height} is no multiple of {SIZE_MULTIPLE}", "resize or crop the template")
    if mask.shape != video.shape[:3]:
        raise PvttError(f"mask is of shape {mask.shape}, the video of {video.shape}", "give a mask for each frame")
    values = np.unique(mask)
    if not np.isin(values, (0, 1)).all():
        shown = ", ".join(f"{value:g}" for value in values[:4])
        raise PvttError(f"mask has values {shown}", "give 1 where to generate and 0 elsewhere, for example mask > 127")
    border = np.concatenate([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]], axis=1)
    if border.mean() > REVERSED_BORDER and not mask.all():
        raise PvttError(
            "mask covers nearly all of the frames' border and spares their inside: it looks reversed",
            "1 means generate, 0 means keep: give 1 - mask",
        )
