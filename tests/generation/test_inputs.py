"""What people have at hand, as the pipeline takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvtt.encoding.photos import read_photo as read_prepared_photo
from pvtt.errors import PvttError
from pvtt.generation.inputs import check_inputs, read_batch, read_mask, read_photo, read_template
from pvtt.media.masks import write_masks
from pvtt.media.video import read_video, write_video
from tests.encoding.samples import disc_frames, write_sample
from tests.photos.profiles import DISPLAY_P3, encoded, matrix_profile

FRAMES, MASKS = disc_frames(9, (200, 40, 40))
HOLE = MASKS > 127


def disc_on_grey(size: int = 200) -> np.ndarray:
    """A photo without alpha: a red disc left of the middle of a grey backdrop."""
    rows, columns = np.mgrid[:size, : 2 * size]
    disc = (rows - size / 2) ** 2 + (columns - size * 0.7) ** 2 < (size * 0.3) ** 2
    shade = np.linspace(190, 220, 2 * size)[None, :, None].repeat(size, 0).repeat(3, 2)
    return np.where(disc[..., None], (200, 40, 40), shade).astype(np.uint8)


def test_a_template_is_a_file_an_array_or_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "template.mp4"
    write_video(path, FRAMES, fps=12)
    for given in (path, str(path)):
        assert (read_template(given) == read_video(path)).all()
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    for given in (FRAMES, list(FRAMES), pictures, [picture.convert("RGBA") for picture in pictures]):
        assert (read_template(given) == FRAMES).all()


def test_pictures_with_a_profile_or_on_their_side_are_taken_as_they_are_seen() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    pixels = Image.fromarray(encoded(FRAMES[0].reshape(-1, 3), DISPLAY_P3).reshape(FRAMES[0].shape))
    picture = pixels.transpose(Image.Transpose.ROTATE_90)
    picture.info |= {"icc_profile": matrix_profile(*DISPLAY_P3), "exif": turned.tobytes()}
    assert abs(np.asarray(pixels).astype(int) - FRAMES[0]).max() > 10
    (frame,) = read_template([picture])
    assert abs(frame.astype(int) - FRAMES[0]).max() <= 3
    whole = picture.copy()
    whole.putalpha(Image.fromarray(np.where(np.indices(picture.size[::-1])[0] < 9, 0, 255).astype(np.uint8)))
    photo = read_photo(whole.crop((0, 0, min(picture.size), min(picture.size))))
    assert abs(photo[..., :3].astype(int) - read_template([picture])[0, : len(photo), -len(photo) :]).max() <= 3


def test_a_mask_is_a_file_an_array_or_pictures_and_one_stands_for_all_frames(tmp_path: Path) -> None:
    write_masks(tmp_path / "mask.mkv", MASKS, fps=12)
    for given in (tmp_path / "mask.mkv", HOLE, [Image.fromarray(mask) for mask in MASKS], list(HOLE)):
        assert (read_mask(given, 9) == HOLE).all()
    Image.fromarray(MASKS[0]).save(tmp_path / "mask.png")
    for given in (
        str(tmp_path / "mask.png"),
        HOLE[0],
        Image.fromarray(MASKS[0]),
        Image.fromarray(MASKS[0]).convert("RGB"),
    ):
        assert (read_mask(given, 9) == HOLE[:1]).all()
        assert read_mask(given, 9).shape == HOLE.shape


def test_a_prepared_photo_is_taken_as_it_is_from_wherever_it_comes(tmp_path: Path) -> None:
    path = tmp_path / write_sample(tmp_path).photo_paths[0]
    prepared = read_prepared_photo(path)
    for given in (path, str(path), Image.open(path), prepared):
        assert (read_photo(given) == prepared).all()


def test_the_background_of_a_photo_without_alpha_is_removed_and_the_product_centred(tmp_path: Path) -> None:
    pixels = disc_on_grey()
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    from_array = read_photo(pixels)
    assert from_array.shape == (512, 512, 4)
    assert from_array[0, 0, 3] == 0
    assert from_array[256, 256].tolist() == [200, 40, 40, 255]
    columns = np.flatnonzero((from_array[..., 3] > 127).any(0))
    assert abs(columns.mean() - 255.5) < 3
    assert (read_photo(Image.fromarray(pixels)) == from_array).all()
    assert (read_photo(tmp_path / "photo.png") == from_array).all()


def test_a_photo_with_its_own_alpha_keeps_it() -> None:
    pixels = disc_on_grey()
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    alpha[50:150, 100:180] = 255  # not what stands out
    photo = read_photo(np.dstack([pixels, alpha]))
    solid = photo[..., 3] > 127
    assert solid[:, 256].sum() == pytest.approx(512 * 0.88, abs=2)  # its height fills the square up to the margin
    assert solid[256].sum() == pytest.approx(512 * 0.88 * 0.8, abs=3)


def test_each_argument_of_a_batch_is_a_list_or_one_for_all(tmp_path: Path) -> None:
    photo = disc_on_grey()
    one = read_batch(FRAMES, HOLE, photo, "a disc")
    assert [(len(sample.photos), sample.prompt) for sample in one] == [(1, "a disc")]
    assert len(read_batch(FRAMES, HOLE, [photo, photo], "")[0].photos) == 2
    several = read_batch([FRAMES, FRAMES[:, ::-1]], HOLE, [photo, []], ["a", "b"])
    assert [(len(sample.photos), sample.prompt) for sample in several] == [(1, "a"), (0, "b")]
    assert len(read_batch(FRAMES, HOLE, np.stack([photo] * 3), "")[0].photos) == 3
    assert (several[1].video == FRAMES[:, ::-1]).all()
    assert len(read_batch(list(FRAMES), list(HOLE), [], ["a", "b", "c"])) == 3


def test_a_batch_that_does_not_fit_is_named() -> None:
    cases: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("a batch of 2 of video, 3 of prompt", ([FRAMES, FRAMES], HOLE, (), ["a", "b", "c"])),
        ("a batch of 0 of prompt", (FRAMES, HOLE, (), [])),
        (r"differ in shape: \(5, 64, 96, 3\) and \(9, 64, 96, 3\)", ([FRAMES, FRAMES[:5]], [HOLE, HOLE[:5]], (), "")),
    )
    for message, arguments in cases:
        with pytest.raises(PvttError, match=message):
            read_batch(*arguments)


def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture at all, and no video")
    Image.fromarray(FRAMES[0]).save(tmp_path / "frame.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    cases: tuple[tuple[str, Any, Any], ...] = (
        ("the video .*nowhere.mp4 does not exist", read_template, tmp_path / "nowhere.mp4"),
        ("not a video", read_template, text),
        ("no moving picture", read_template, tmp_path / "frame.png"),
        ("a video cannot be a int", read_template, 7),
        ("frames of one shape are needed", read_template, [FRAMES[0], FRAMES[0][:32]]),
        ("frames of one shape are needed", read_template, []),
        ("broken.png is no picture", lambda mask: read_mask(mask, 9), tmp_path / "broken.png"),
        ("a mask cannot be a NoneType", lambda mask: read_mask(mask, 9), None),
        ("the photo .*nowhere.jpg does not exist", read_photo, tmp_path / "nowhere.jpg"),
        ("notes.txt", read_photo, text),
        ("a photo is float32", read_photo, np.zeros((8, 8, 3), np.float32)),
        ("a photo cannot be a dict", read_photo, {}),
        (
            "nothing stands out",
            read_photo,
            np.dstack([np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)])[:, :32],
        ),
    )
    for message, read, given in cases:
        with pytest.raises(PvttError, match=message):
            read(given)


def test_nonsense_inputs_are_named() -> None:
    video = np.zeros((9, 32, 48, 3), np.uint8)
    mask = np.zeros((9, 32, 48), bool)
    check_inputs(video, mask)
    cases: tuple[tuple[str, Any, Any], ...] = (
        ("8 frames is not 4n", video[:8], mask[:8]),
        ("40×32 is no multiple of 16", video[:, :, :40], mask[:, :, :40]),
        ("mask is of shape", video, mask[:5]),
        ("mask has values 0, 255", video, np.where(mask | (np.arange(48) < 9), 255, 0)),
        ("video is float32", video.astype(np.float32), mask),
        ("looks reversed", video, ~np.pad(np.ones((9, 16, 24), bool), ((0, 0), (8, 8), (12, 12)))),
    )
    for message, wrong_video, wrong_mask in cases:
        with pytest.raises(PvttError, match=message):
            check_inputs(wrong_video, wrong_mask)
