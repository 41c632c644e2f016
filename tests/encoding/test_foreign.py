from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pvtt.encoding.foreign import ForeignParams, _read_windows, encode_foreign, foreign_items
from pvtt.encoding.foreign_dataset import ForeignDataset
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.items.runner import ItemRejectedError
from pvtt.media.video import read_video, write_video
from pvtt.models.loading import load_vae
from pvtt.models.vae import encode_video, to_unit_range
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import FOREIGN_FILE, ForeignSample
from tests.encoding.samples import tiny_encode_params
from tests.media.films import chart, write_pictures, yuv_picture
from tests.scenes import draw_shot
from tests.tiny_wan import TEXT_DIM, build_tiny_base

PARAMS = ForeignParams.of(tiny_encode_params(variants=2))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Films in `street/`: one with a caption, a copy of it, and one in a subfolder."""
    folder = tmp_path / "street" / "more"
    folder.mkdir(parents=True)
    write_video(folder.parent / "b.mp4", draw_shot(0, 30)[0], fps=12)
    (folder.parent / "b.txt").write_text("a street\nat night\n")
    (folder.parent / "c.MP4").write_bytes((folder.parent / "b.mp4").read_bytes())
    write_video(folder / "a.mkv", draw_shot(1, 20, width=128, height=192)[0], fps=12)
    (folder / "notes.md").write_text("no film")
    return Workspace(tmp_path)


def test_every_film_is_one_item_with_its_caption(workspace: Workspace, tmp_path: Path) -> None:
    items = foreign_items(workspace, "street", tmp_path / "base", ["n"])
    assert [(item.name, item.payload.caption) for item in items] == [
        ("foreign/b.mp4", "a street at night"),
        ("foreign/more/a.mkv", ""),
    ]
    assert str(tmp_path) not in items[0].payload.to_json()
    assert foreign_items(workspace, None, tmp_path / "base", ["n"]) == []


def test_a_folder_without_films_none_at_all_and_the_data_sets_own_are_refused(workspace: Workspace) -> None:
    with pytest.raises(MissingInputError, match="is no folder"):
        foreign_items(workspace, "nowhere", workspace.root, [])
    for folder, message in (("empty", "holds no film"), ("outs/clip", "own films"), ("data/products", "own films")):
        (workspace.root / folder).mkdir(parents=True)
        with pytest.raises(PvttError, match=message) as refused:
            foreign_items(workspace, folder, workspace.root, [])
        assert "encode.preservation_clips" in str(refused.value.hint)


def test_windows_lie_evenly_in_the_film_and_cover_the_size(workspace: Workspace, tmp_path: Path) -> None:
    base = build_tiny_base(tmp_path / "base")
    film, portrait = foreign_items(workspace, "street", base, [])
    record = encode_foreign(film.payload, tmp_path, PARAMS)
    assert (record.num_variants, record.latent_shape) == (2, (16, 3, 4, 6))
    tensors = load_file(tmp_path / "tensors.safetensors")
    assert tensors["latents"].shape == (2, 16, 3, 4, 6)
    assert tensors["text"].shape == (12, TEXT_DIM)
    frames = read_video(film.payload.path)
    places = [range(start, start + 17, 2) for start in (3, 9)]  # of 14 that a window can start at
    small = np.stack([frames[list(window)].reshape(9, 32, 4, 48, 4, 3).mean((2, 4)) for window in places])
    expected = encode_video(load_vae(base), to_unit_range(torch.from_numpy(small.round().astype(np.uint8))))
    error = (tensors["latents"] - expected).abs().mean() / expected.std()
    assert error < 0.05  # both were made smaller, by different filters
    assert (tensors["latents"] - expected.flip(0)).abs().mean() > (tensors["latents"] - expected).abs().mean()
    assert encode_foreign(portrait.payload, tmp_path, PARAMS).latent_shape == record.latent_shape
    with pytest.raises(ItemRejectedError, match="20 frames, but a window spans 41"):
        encode_foreign(portrait.payload, tmp_path, PARAMS.model_copy(update={"frame_stride": 5}))


def test_a_film_is_encoded_in_the_colours_of_bt709_or_refused(workspace: Workspace, tmp_path: Path) -> None:
    base = build_tiny_base(tmp_path / "base")
    folder = tmp_path / "wide"
    folder.mkdir()
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9}
    pictures = [yuv_picture(chart(), 9, False, 10) for _ in range(20)]
    write_pictures(folder / "a.mp4", pictures, **tags, color_trc=14)
    write_pictures(folder / "b.mp4", pictures, **tags, color_trc=16)
    wide, hdr = foreign_items(Workspace(tmp_path), "wide", base, [])
    window = _read_windows(wide.payload.path, PARAMS)[0, 0]
    seen = read_video(wide.payload.path)[0]
    stored = chart()
    assert abs(seen.astype(int) - stored).max() > 10
    for row, column in np.ndindex(2, 4):
        small, large = (
            picture[(2 * row + 1) * picture.shape[0] // 4, (2 * column + 1) * picture.shape[1] // 8].astype(int)
            for picture in (window, seen)
        )
        assert abs(small - large).max() <= 2
    with pytest.raises(ItemRejectedError, match="HDR") as refused:
        encode_foreign(hdr.payload, tmp_path, PARAMS)
    assert refused.value.reason == "hdr"


def test_the_reader_wants_films_of_the_samples_shape(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"foreign\.jsonl does not exist"):
        ForeignDataset(tmp_path, (16, 3, 4, 6))
    write_jsonl(tmp_path / FOREIGN_FILE, [])
    with pytest.raises(PvttError, match="no foreign clip is encoded") as none:
        ForeignDataset(tmp_path, (16, 3, 4, 6))
    assert "encode.preservation_clips" in str(none.value.hint)
    sample = ForeignSample(
        name="a.mp4", caption="", path="samples/a.safetensors", num_variants=1, latent_shape=(16, 3, 4, 6)
    )
    write_jsonl(tmp_path / FOREIGN_FILE, [sample])
    with pytest.raises(PvttError, match=r"a\.mp4 has latents"):
        ForeignDataset(tmp_path, (16, 2, 4, 6))
    with pytest.raises(PvttError, match=r"a\.safetensors"):
        ForeignDataset(tmp_path, (16, 3, 4, 6)).read(0, 0)
