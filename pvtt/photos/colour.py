"""Pictures of any kind in sRGB, 8 bits: what a person sees on a colour-managed screen."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

# The space that an ICC profile is of, as it names it → the mode of Pillow's pictures that it can describe.
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
SAME = 1  # of 255: a profile that moves no colour of a lattice further than this is sRGB itself
LATTICE = 9  # colours a side of that lattice


def to_srgb(image: Image) -> tuple[Image, tuple[str, ...]]:
    """A picture in sRGB.

    Args:
        image: Of any mode; an ICC profile is looked for in `image.info`.

    Returns:
        The picture as RGB, or RGBA where it has transparency, and notes on what could not be followed:
        `broken_profile` (it is no profile, or not of this kind of picture: the colours are taken as sRGB) or
        `no_profile` (CMYK, of which only a profile tells the colours: the usual formula is taken).

    Raises:
        ValueError: Its numbers have no known range.
    """
    profile = image.info.get("icc_profile")
    image = _in_8_bits(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
        alpha = image.getchannel("A")
    if image.mode not in ("L", "CMYK", "LAB"):
        image = image.convert("L" if image.mode in ("LA", "1") else "RGB")
    notes: tuple[str, ...] = ()
    converted: Image | None = None
    if profile:
        converted = _follow(image, profile)
        notes = () if converted is not None else ("broken_profile",)
    elif image.mode == "CMYK":
        notes = ("no_profile",)
    if converted is None:
        converted = _lab_to_srgb(image) if image.mode == "LAB" else image.convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, notes


def _in_8_bits(image: Image) -> Image:
    """Grey of 16 bits or of real numbers scaled, not cut off, to 8 bits; a colour key becomes alpha; others as is."""
    from PIL import Image as Images

    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, np.float32)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(values).all() and low >= 0):
        raise ValueError(f"grey from {low} to {high} has no known range")
    if image.mode == "F":
        largest = 1.0 if high <= 1 else 255.0
    else:
        largest = 65535.0 if image.mode.startswith("I;16") or high > 255 else 255.0
    if high > largest:
        raise ValueError(f"grey up to {high} has no known range")
    grey = Images.fromarray(np.round(values * (255 / largest)).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Images.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _follow(image: Image, data: Any) -> Image | None:
    """The picture as its profile says, in RGB; None where the profile is broken or of another kind of picture."""
    from PIL import Image as Images
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = MODES[profile.profile.xcolor_space.strip()]
        if mode == "LAB":  # in a JPEG or PNG: three channels as an RGB picture has them
            if image.mode == "RGB":
                image = _as_lab(image)
        elif mode == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if image.mode != mode:
            return None
        if mode == "RGB":
            steps = np.linspace(0, 255, LATTICE).round().astype(np.uint8)
            lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(LATTICE, -1, 3)
            moved = np.asarray(_transform(Images.fromarray(lattice), profile), np.int16)
            if np.abs(moved - lattice).max() <= SAME:
                return image
        return _transform(image, profile)
    except (ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError, AttributeError):
        return None


def _transform(image: Image, profile: ImageCmsProfile) -> Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # it is, but where it works in place
    return converted


def _lab_to_srgb(image: Image) -> Image:
    from PIL import ImageCms

    return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))


def _as_lab(image: Image) -> Image:
    """L, a + 128 and b + 128, stored as the three channels of an RGB picture, as a picture in Lab."""
    from PIL import Image as Images

    return Images.merge("LAB", image.split())
