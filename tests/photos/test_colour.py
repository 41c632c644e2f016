"""Colours as a person sees them: profiles, depths, kinds of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pvtt.photos.decode import decode, decode_photo
from tests.photos.profiles import ADOBE_RGB, DISPLAY_P3, SRGB, encoded, matrix_profile

COLOURS = np.array(
    [[200, 40, 40], [30, 160, 90], [40, 70, 190], [230, 180, 30], [128, 128, 128], [240, 240, 240], [12, 9, 14]]
)


def lab(colours: np.ndarray) -> np.ndarray:
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(np.asarray(colours, np.float64)[None] / 255))[0]


def patches(colours: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(np.asarray(colours, np.uint8)[None], 16, axis=0), 16, axis=1)


def seen(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.convert("RGB"))
    return pixels[8, 8::16]


@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_wide_profile_is_converted_to_srgb(
    tmp_path: Path, space: tuple[tuple[tuple[float, float], ...], float], suffix: str
) -> None:
    path = tmp_path / f"wide{suffix}"
    options = {".png": {}, ".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}[suffix]
    stored = encoded(COLOURS, space)
    Image.fromarray(patches(stored)).save(path, icc_profile=matrix_profile(*space), **options)
    before = np.linalg.norm(lab(stored) - lab(COLOURS), axis=1)
    after = np.linalg.norm(lab(seen(decode(path))) - lab(COLOURS), axis=1)
    assert before.max() > 5
    assert after.max() < 1.5


def test_a_profile_of_srgb_changes_no_byte(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for number, profile in enumerate(
        [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), matrix_profile(*SRGB)]
    ):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png", icc_profile=profile)
        decoded = decode_photo(tmp_path / f"{number}.png")
        np.testing.assert_array_equal(np.asarray(decoded.image), pixels)
        assert decoded.notes == ()


@pytest.mark.parametrize("damage", ["text", "cut", "of another kind"])
def test_a_broken_profile_is_passed_over_and_noted(tmp_path: Path, damage: str) -> None:
    whole = matrix_profile(*ADOBE_RGB)
    profile = {
        "text": b"this is no profile",
        "cut": whole[: len(whole) // 2],
        "of another kind": ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes(),
    }[damage]
    Image.fromarray(patches(COLOURS)).save(tmp_path / "a.png", icc_profile=profile)
    decoded = decode_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(seen(decoded.image), COLOURS)
    assert decoded.notes == ("broken_profile",)


def test_a_profile_leaves_transparency_alone(tmp_path: Path) -> None:
    pixels = np.dstack([patches(encoded(COLOURS, DISPLAY_P3)), np.full((16, 16 * len(COLOURS)), 77, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=matrix_profile(*DISPLAY_P3))
    image = decode(tmp_path / "a.png")
    assert image.mode == "RGBA"
    assert set(np.asarray(image)[..., 3].flat) == {77}
    assert np.linalg.norm(lab(seen(image)) - lab(COLOURS), axis=1).max() < 1.5


def test_cmyk_is_seen_as_colours_and_says_that_it_has_no_profile(tmp_path: Path) -> None:
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    cyan.save(tmp_path / "a.jpg", quality=95)
    decoded = decode_photo(tmp_path / "a.jpg")
    red, green, blue = np.asarray(decoded.image)[16, 16]
    assert red < 60 < 120 < green
    assert blue > 200
    assert decoded.notes == ("no_profile",)


@pytest.mark.parametrize("kind", ["a picture in Lab", "a JPEG with a Lab profile"])
def test_lab_is_seen_as_colours(tmp_path: Path, kind: str) -> None:
    profile = ImageCms.createProfile("LAB")
    picture = ImageCms.profileToProfile(
        Image.fromarray(patches(COLOURS)), ImageCms.createProfile("sRGB"), profile, outputMode="LAB"
    )
    assert picture is not None
    if kind == "a picture in Lab":
        path = tmp_path / "a.tif"
        picture.save(path)
    else:
        path = tmp_path / "a.jpg"
        stored = Image.merge("RGB", [channel.convert("L") for channel in picture.split()])
        data = ImageCms.ImageCmsProfile(profile).tobytes()
        stored.save(path, quality=100, subsampling=0, icc_profile=data)
    assert np.linalg.norm(lab(seen(decode(path))) - lab(COLOURS), axis=1).max() < 4


def test_grey_of_16_bits_is_scaled_and_not_cut_off(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    pixels = np.asarray(decode(tmp_path / "a.png"))
    np.testing.assert_array_equal(pixels[0], np.repeat(np.arange(256)[:, None], 3, axis=1))


def test_colours_of_16_bits_are_scaled(tmp_path: Path) -> None:
    import cv2

    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], (16, 1, 3))
    cv2.imwrite(str(tmp_path / "a.png"), ramp)
    np.testing.assert_allclose(np.asarray(decode(tmp_path / "a.png"))[0, :, 0].astype(int), np.arange(256), atol=1)


@pytest.mark.parametrize("value", [float("nan"), -3.0, 4e4])
def test_grey_of_no_known_range_is_rejected(tmp_path: Path, value: float) -> None:
    from pvtt.items.runner import ItemRejectedError

    Image.fromarray(np.full((8, 8), value, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ItemRejectedError, match="no known range") as caught:
        decode(tmp_path / "a.tif")
    assert caught.value.reason == "undecodable"


def test_the_transparent_colour_of_a_palette_becomes_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (40, 30), 0)
    picture.putpalette([255, 0, 255, 20, 140, 90])
    picture.paste(1, (10, 10, 30, 20))
    picture.save(tmp_path / "a.png", transparency=0)
    image = decode(tmp_path / "a.png")
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0
    assert image.getpixel((15, 15)) == (20, 140, 90, 255)


def test_a_transparent_colour_is_looked_for_before_the_profile_moves_it(tmp_path: Path) -> None:
    stored = patches(encoded(COLOURS, ADOBE_RGB))
    Image.fromarray(stored).save(
        tmp_path / "a.png", transparency=tuple(map(int, stored[8, 8])), icc_profile=matrix_profile(*ADOBE_RGB)
    )
    alpha = np.asarray(decode(tmp_path / "a.png"))[8, 8::16, 3]
    assert alpha.tolist() == [0, *[255] * (len(COLOURS) - 1)]


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\0\0\0", b"Exif\0\0no orientation"])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_broken_orientation_is_passed_over_and_noted(tmp_path: Path, exif: bytes, suffix: str) -> None:
    Image.fromarray(patches(COLOURS)).save(tmp_path / f"a{suffix}", exif=exif)
    decoded = decode_photo(tmp_path / f"a{suffix}")
    assert decoded.image.size == (16 * len(COLOURS), 16)
    assert decoded.notes == ("broken_exif",)


def test_the_size_of_the_file_is_known_of_a_reduced_photo(tmp_path: Path) -> None:
    Image.new("RGB", (5000, 2500), "red").save(tmp_path / "a.jpg")
    assert decode_photo(tmp_path / "a.jpg").num_pixels == 5000 * 2500
