from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.encoding.pairing import References, other_clips, pair_references
from pvtt.encoding.windows import UnusableClipError, read_coverage
from pvtt.media.arrays import MaskVideo, Rgba, Video
from pvtt.media.cutouts import letterbox
from pvtt.media.likeness import perceptual_hash
from pvtt.media.video import write_video
from pvtt.params.encode import EncodeParams
from pvtt.records.dataset import DatasetEntry
from tests.encoding.samples import tiny_encode_params, with_photos, write_sample
from tests.scenes import draw_shot

NUM_FRAMES = 24


def film(light: float = 1.0) -> tuple[Video, MaskVideo]:
    """The same bottle in other light."""
    frames, masks = draw_shot(0, NUM_FRAMES)
    return (frames * light).astype(np.uint8), masks


def moment(place: int, light: float = 1.0) -> Rgba:
    """The bottle cut out of a frame."""
    frames, masks = film(light)
    return letterbox(np.dstack([frames[place], masks[place]]), 128, 0.06)


def paired(root: Path, entry: DatasetEntry, *others: DatasetEntry, params: EncodeParams | None = None) -> References:
    params = params or tiny_encode_params()
    coverage = read_coverage(entry, root, params)
    return pair_references(entry, other_clips([entry, *others], 9)[entry.key], coverage, root, params)


def test_photos_of_the_clips_own_moments_are_no_references(tmp_path: Path) -> None:
    entry = with_photos(
        tmp_path,
        write_sample(tmp_path, film=film()),
        [moment(3), moment(3, 0.5), moment(20), moment(20, 0.4), moment(9, 0.3)],
    )
    found = paired(tmp_path, entry, params=tiny_encode_params(max_photos=2))
    assert (found.photos, found.own_moments, found.clips) == ((1, 3), (0, 2), ())
    assert [picture.tolist() for picture in found.pictures] == [moment(3, 0.5).tolist(), moment(20, 0.4).tolist()]


def test_a_whole_frame_is_known_by_the_photos_own_hash(tmp_path: Path) -> None:
    entry = with_photos(tmp_path, write_sample(tmp_path, film=film()), [moment(3, 0.5), moment(3, 0.4)])
    frames, _ = film()
    hashes = (f"{perceptual_hash(frames[3]):016x}", f"{perceptual_hash(draw_shot(5, 1)[0][0]):016x}")
    found = paired(tmp_path, entry.model_copy(update={"photo_hashes": hashes}))
    assert (found.photos, found.own_moments) == ((1,), (0,))


def test_without_another_reference_the_product_is_cut_out_of_its_other_clips(tmp_path: Path) -> None:
    entry = with_photos(tmp_path, write_sample(tmp_path, film=film()), [moment(3), moment(20)])
    others = [
        write_sample(tmp_path, clip_id=clip_id, film=film(light)) for clip_id, light in (("002", 0.6), ("004", 0.4))
    ]
    found = paired(tmp_path, entry, *others)
    assert (found.photos, found.own_moments, found.clips) == ((), (0, 1), ("002", "002", "004"))
    brightness = [picture[picture[..., 3] == 255][:, :3].mean() for picture in found.pictures]
    own = moment(3)
    expected = own[own[..., 3] == 255][:, :3].mean()
    assert brightness == pytest.approx([0.6 * expected, 0.6 * expected, 0.4 * expected], rel=0.15)
    assert {picture.shape for picture in found.pictures} == {(512, 512, 4)}

    without_photos = entry.model_copy(update={"photo_paths": (), "photo_sha256s": ()})
    assert paired(tmp_path, without_photos, *others).clips == found.clips


def test_a_product_with_neither_is_refused(tmp_path: Path) -> None:
    entry = with_photos(tmp_path, write_sample(tmp_path, film=film()), [moment(3), moment(20)])
    with pytest.raises(UnusableClipError, match=r"all 2 photos show a moment.*it has no other clip") as refused:
        paired(tmp_path, entry)
    assert refused.value.reason == "no_reference"
    again = write_sample(tmp_path, clip_id="002", film=film())  # the same film, made again
    write_video(tmp_path / again.clip_path, film()[0], fps=12, crf=26)
    with pytest.raises(UnusableClipError, match="so do its 1 other clips"):
        paired(tmp_path, entry, again)
    nothing = entry.model_copy(update={"photo_paths": (), "photo_sha256s": ()})
    with pytest.raises(UnusableClipError, match="the product has no photo, and it has no other clip"):
        paired(tmp_path, nothing)


def test_other_clips_are_the_products_own_and_no_truth_of_a_transfer(tmp_path: Path) -> None:
    first, second, third = (write_sample(tmp_path, clip_id=f"00{number}") for number in (1, 2, 3))
    stranger = write_sample(tmp_path, "DISC002")
    truth = first.model_copy(update={"clip_id": "9001", "track": "transfer"})
    found = other_clips([first, second, third, stranger, truth], 2)
    ids = {key: tuple(other.clip_id for other in others) for key, others in found.items()}
    assert ids == {
        "DISC001_001": ("002", "003"),
        "DISC001_002": ("001", "003"),
        "DISC001_003": ("001", "002"),
        "DISC002_001": (),
        "DISC001_9001": ("001", "002"),
    }
