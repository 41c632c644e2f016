"""Product photos: decoding, cutting out, letterboxing, duplicates."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.masks import read_mask_frames
from pvtt.media.video import read_frames
from pvtt.params.photos import PhotosParams
from pvtt.photos.cutout import cut_out
from pvtt.photos.decode import MAX_SIDE, decode
from pvtt.photos.doubts import doubts
from pvtt.photos.prepare import PreparedPhotos, SourcePhoto, SourcePhotos, prepare_photos
from tests.scenes import draw_shot


def test_a_phone_photo_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    image.save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg").size == (20, 40)


def test_a_large_photo_is_reduced(tmp_path: Path) -> None:
    Image.new("RGB", (5000, 2500), "red").save(tmp_path / "a.jpg")
    assert decode(tmp_path / "a.jpg").size == (MAX_SIDE, MAX_SIDE // 2)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "LA", "RGBA", "I;16"])
def test_every_kind_of_picture_becomes_rgb_or_rgba(tmp_path: Path, mode: str) -> None:
    suffix = ".jpg" if mode == "CMYK" else ".png"
    Image.new(mode, (30, 20)).save(tmp_path / f"a{suffix}")
    assert decode(tmp_path / f"a{suffix}").mode in ("RGB", "RGBA")


def test_a_broken_photo_and_a_decompression_bomb_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(buffer, format="JPEG")
    contents = {"html.jpg": b"<html>", "empty.jpg": b"", "half.jpg": buffer.getvalue()[: buffer.tell() // 2]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ItemRejectedError, match=name) as caught:
            decode(tmp_path / name)
        assert caught.value.reason == "undecodable"
    (tmp_path / "bomb.jpg").write_bytes(buffer.getvalue())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    with pytest.raises(ItemRejectedError, match=r"bomb\.jpg"):
        decode(tmp_path / "bomb.jpg")


def test_a_photo_that_comes_cut_out_keeps_its_alpha() -> None:
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[20:40, 10:50] = (200, 30, 30, 200)
    np.testing.assert_array_equal(cut_out(Image.fromarray(picture)), picture)


def test_the_background_becomes_transparent_and_the_product_stays_opaque() -> None:
    frames, masks = draw_shot(0, 1, width=240, height=180)
    alpha = cut_out(Image.fromarray(frames[0]))[..., 3]
    assert ((alpha > 127) ^ (masks[0] > 0)).mean() < 0.01
    assert np.median(alpha[masks[0] > 0]) == 255
    assert np.median(alpha[masks[0] == 0]) == 0


def prepare(directory: Path, paths: list[Path], params: PhotosParams | None = None) -> PreparedPhotos:
    photos = tuple(SourcePhoto(source_path=f"media/{path.name}", sha256=sha256_file(path), path=path) for path in paths)
    directory.mkdir()
    return prepare_photos(SourcePhotos(product_id="P", photos=photos), directory, params or PhotosParams(size=128))


def test_real_photos_of_a_product_are_cut_out(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "product_photos" / "robot_toy").glob("*.jpg"))[:3]
    prepared = prepare(tmp_path / "out", [paths[0], paths[0], *paths[1:]])
    assert [(reject.reason, reject.source_path) for reject in prepared.rejects] == [
        ("duplicate", f"media/{paths[0].name}")
    ]
    assert [photo.path for photo in prepared.photos] == ["photos/P/01.png", "photos/P/02.png", "photos/P/03.png"]
    for photo in prepared.photos:
        assert 0.15 < photo.area < 0.8
        assert sha256_file(tmp_path / "out" / Path(photo.path).name) == photo.sha256


def test_a_recompressed_copy_is_a_duplicate_and_another_view_is_none(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "product_photos" / "candle").glob("*.jpg"))[:2]
    Image.open(paths[0]).resize((300, 300)).save(tmp_path / "copy.jpg", quality=60)
    prepared = prepare(tmp_path / "out", [paths[0], tmp_path / "copy.jpg", paths[1]])
    assert [Path(reject.source_path).name for reject in prepared.rejects] == ["copy.jpg"]


def test_the_largest_of_the_same_photo_is_taken_wherever_it_stands(tmp_path: Path) -> None:
    scenes = [
        Image.fromarray(draw_shot(seed, 1, width=480, height=320)[0][0]).filter(ImageFilter.GaussianBlur(6))
        for seed in (0, 1)
    ]
    for name, scene, size in [("small", 0, 240), ("other", 1, 480), ("large", 0, 480), ("tiny", 0, 120)]:
        scenes[scene].resize((size, size * 2 // 3), Image.Resampling.LANCZOS).save(tmp_path / f"{name}.png")
    prepared = prepare(tmp_path / "out", [tmp_path / f"{name}.png" for name in ("small", "other", "large", "tiny")])
    assert [Path(photo.source_path).name for photo in prepared.photos] == ["large.png", "other.png"]
    assert [(Path(reject.source_path).name, reject.reason) for reject in prepared.rejects] == [
        ("small.png", "duplicate"),
        ("tiny.png", "duplicate"),
    ]
    assert "large.png" in prepared.rejects[0].message


def cut(seed: int, colour: tuple[int, int, int] | None = None, hidden: int = 0) -> Image.Image:
    """A drawn product, cut out; `hidden`: what is stored where nothing is seen."""
    frames, masks = draw_shot(seed, 1, size=0.2 + 0.1 * seed)
    alpha = masks[0].copy()
    alpha[:, : 70 if seed else 0] = 0  # another outline
    colours = np.broadcast_to(np.uint8(colour), frames[0].shape) if colour else frames[0]
    return Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, colours, np.uint8(hidden)), alpha]))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
@pytest.mark.parametrize("hidden", [0, 255])
def test_products_of_one_colour_that_come_cut_out_are_told_by_their_outline(
    tmp_path: Path, colour: tuple[int, int, int], hidden: int
) -> None:
    for seed in (0, 1):
        cut(seed, colour, hidden).save(tmp_path / f"{seed}.png")
    prepared = prepare(tmp_path / "out", [tmp_path / "0.png", tmp_path / "1.png"])
    assert len(prepared.photos) == 2


def test_what_is_hidden_under_transparency_makes_no_other_photo(tmp_path: Path) -> None:
    cut(0, hidden=0).save(tmp_path / "0.png")
    cut(0, hidden=255).save(tmp_path / "1.png")
    white = Image.new("RGBA", (192, 128), "white")
    Image.alpha_composite(white, cut(0)).convert("RGB").save(tmp_path / "2.png")
    prepared = prepare(tmp_path / "out", [tmp_path / f"{number}.png" for number in range(3)])
    assert [reject.reason for reject in prepared.rejects] == ["duplicate", "duplicate"]


def framed(kind: str) -> tuple[Image.Image, np.ndarray]:
    """A whole photo whose corners, or some of whose pixels, are transparent; and where its product is."""
    frames, masks = draw_shot(0, 1, width=240, height=180)
    outline = Image.new("L", (960, 720), 0)
    draw = ImageDraw.Draw(outline)
    if kind == "a round photo":
        draw.ellipse((0, 0, 959, 719), fill=255)
    else:
        radius = {"rounded by 5 %": 36}.get(kind, 180 if "25 %" in kind else 0)
        corners = (True, True, False, False) if kind.endswith("above") else None
        draw.rounded_rectangle((0, 0, 959, 719), radius, fill=255, corners=corners)
    alpha = np.array(outline.resize((240, 180), Image.Resampling.BOX))
    if kind == "one clear pixel":
        alpha[3, 4] = 0
    elif kind == "clear dust":
        alpha[np.random.default_rng(0).random(alpha.shape) < 0.4] = 0
    return Image.fromarray(np.dstack([frames[0], alpha])), masks[0] > 0


@pytest.mark.parametrize(
    "kind",
    [
        "rounded by 5 %",
        "rounded by 25 %",
        "rounded by 25 % above",
        "a round photo",
        "one clear pixel",
        "clear dust",
    ],
)
def test_a_photo_with_transparent_corners_is_no_cut_out(kind: str) -> None:
    image, product = framed(kind)
    own = np.asarray(image)[..., 3] > 127
    alpha = cut_out(image)[..., 3] > 127
    assert (alpha ^ (product & own)).mean() < 0.02


@pytest.mark.parametrize("trim", [False, True])
def test_a_product_trimmed_to_its_box_is_still_a_cut_out(trim: bool) -> None:
    image = cut(0)
    image = image.crop(image.getchannel("A").getbbox()) if trim else image
    np.testing.assert_array_equal(cut_out(image), np.asarray(image))


def test_the_background_under_a_thin_veil_is_taken_away_too() -> None:
    frames, masks = draw_shot(0, 1, width=240, height=180)
    veiled = Image.fromarray(np.dstack([frames[0], np.full(masks[0].shape, 250, np.uint8)]))
    assert ((cut_out(veiled)[..., 3] > 127) ^ (masks[0] > 0)).mean() < 0.01


def test_a_doubtful_cut_out_is_named_with_its_reasons(tmp_path: Path) -> None:
    frames, _ = draw_shot(0, 1, products=2, width=400, height=180, size=0.3)
    Image.fromarray(frames[0]).save(tmp_path / "two.png")
    Image.fromarray(draw_shot(1, 1, width=240, height=180)[0][0]).save(tmp_path / "one.png", icc_profile=b"none")
    two, one = prepare(tmp_path / "out", [tmp_path / "two.png", tmp_path / "one.png"]).photos
    assert two.doubts == ("fragments",)
    assert (one.doubts, one.notes) == ((), ("broken_profile",))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((60, 40, 180, 140), {"frame"}),
        ((100, 80, 120, 100), {"small", "frame"}),
        ((2, 2, 238, 178), {"large", "frame"}),
        ((0, 40, 120, 180), {"cut_off", "frame"}),
    ],
)
def test_what_is_doubtful_is_told_by_the_alpha(box: tuple[int, int, int, int], expected: set[str]) -> None:
    alpha = np.zeros((180, 240), np.uint8)
    alpha[box[1] : box[3], box[0] : box[2]] = 255
    assert set(doubts(alpha)) == expected
    assert "unsure" in doubts(np.where(alpha > 0, np.uint8(150), np.uint8(0)))


def test_no_more_photos_than_asked_for_are_worked_on(tmp_path: Path) -> None:
    paths = []
    for seed in range(3):
        Image.fromarray(draw_shot(seed, 1, size=0.25 + 0.08 * seed)[0][0]).save(tmp_path / f"{seed}.png")
        paths.append(tmp_path / f"{seed}.png")
    prepared = prepare(tmp_path / "out", paths, PhotosParams(size=64, min_photos=1, max_photos=1))
    assert len(prepared.photos) == 1
    assert prepared.rejects == ()


def test_a_rendered_frame_is_cut_out_close_to_its_exact_mask(shared_data: Path) -> None:
    path = shared_data / "turntable" / "coffee_mug.mp4"
    true = read_mask_frames(path.with_name("coffee_mug_mask.mkv"), [10])[0] >= 128
    found = cut_out(Image.fromarray(read_frames(path, [10])[0]))[..., 3] >= 128
    assert (found & true).sum() / (found | true).sum() > 0.97
