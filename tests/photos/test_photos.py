"""Product photos: decoding, cutting out, letterboxing, duplicates."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.masks import read_mask_frames
from pvtt.media.video import read_frames
from pvtt.params.photos import PhotosParams
from pvtt.photos.cutout import MAX_SIDE, cut_out, decode
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
