from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pvtt.encoding.store import OPTIONAL, PER_VARIANT, SHARED, EncodedDataset, read_variant, write_tensors
from pvtt.errors import MissingInputError, PvttError
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import EncodedSample
from tests.training.samples import write_encoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An `outs/encode` of 6, 2 and 1 samples."""
    write_encoded(tmp_path / "encode")
    return tmp_path / "encode"


def third_sample(folder: Path) -> EncodedSample:
    return EncodedDataset(folder, "train").samples[2]


def test_mapped_and_held_samples_read_the_same(folder: Path) -> None:
    held = EncodedDataset(folder, "train")
    mapped = EncodedDataset(folder, "train", hold_up_to=0)
    assert len(held) == len(mapped) == 6
    stored = load_file(folder / held.samples[4].path)
    assert set(stored) == {*PER_VARIANT, *SHARED} - {*OPTIONAL} | {"collage_latents", "collage_mask"}
    for dataset in (held, mapped):
        variant = dataset.read(4, 2)
        conditions = variant.conditions
        assert torch.equal(variant.latents[0], stored["latents"][2])
        assert torch.equal(variant.region[0], stored["region"][2])
        assert torch.equal(conditions.mask[0], stored["mask"][2])
        assert torch.equal(conditions.masked_latents[0], stored["masked_latents"][2])
        assert torch.equal(conditions.photo_latents[0], stored["photo_latents"][2])
        assert torch.equal(conditions.text[0], stored["text"])
        assert conditions.view_mask.tolist() == [[True] * dataset.samples[4].num_views]


def test_what_is_written_is_all_of_a_sample_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / third_sample(folder).path)
    write_tensors(tmp_path / "again.safetensors", tensors)
    assert (tmp_path / "again.safetensors").read_bytes() == (folder / third_sample(folder).path).read_bytes()
    for wrong in (tensors | {"depth": tensors["region"]}, {"latents": tensors["latents"]}):
        with pytest.raises(ValueError, match="an encoded sample has"):
            write_tensors(tmp_path / "wrong.safetensors", wrong)
    assert not (tmp_path / "wrong.safetensors").exists()


def test_splits_are_apart(folder: Path) -> None:
    keys = [{sample.key for sample in EncodedDataset(folder, split).samples} for split in ("train", "val", "test")]
    assert [len(split) for split in keys] == [6, 2, 1]
    assert len(set.union(*keys)) == 9


@pytest.mark.parametrize("hold_up_to", [0, 1 << 30])
@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "missing", "of fewer photos"])
def test_a_damaged_file_is_named(folder: Path, hold_up_to: int, damage: str) -> None:
    broken = folder / "samples" / "TRAIN002_001.safetensors"
    whole = broken.read_bytes()
    contents = {
        "garbage": b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!",
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "of fewer photos": (folder / "samples" / "TRAIN000_001.safetensors").read_bytes(),
    }
    broken.unlink()
    if damage != "missing":
        broken.write_bytes(contents[damage])
    with pytest.raises(PvttError, match=r"TRAIN002_001.*cannot be read as an encoded sample") as error:
        EncodedDataset(folder, "train", hold_up_to).read(2, 0)
    assert "encode" in str(error.value.hint)


@pytest.mark.parametrize("name", sorted({*PER_VARIANT, *SHARED} - {*OPTIONAL}))
def test_a_missing_tensor_is_named(folder: Path, name: str) -> None:
    sample = third_sample(folder)
    tensors = load_file(folder / sample.path)
    del tensors[name]
    save_file(tensors, folder / sample.path)
    with pytest.raises(PvttError, match=rf"TRAIN002_001.*{name}"):
        read_variant(folder, sample)


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    sample = third_sample(folder)
    tensors = load_file(folder / sample.path)
    for name in ("latents", "mask", "photo_latents"):
        save_file(tensors | {name: tensors[name][:, :1].contiguous()}, folder / sample.path)
        with pytest.raises(PvttError, match=rf"TRAIN002_001.*{name} is \("):
            read_variant(folder, sample)


def test_no_data_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as error:
        EncodedDataset(tmp_path, "train")
    assert "dvc repro encode" in str(error.value.hint)


def test_samples_of_different_shapes_are_refused(tmp_path: Path) -> None:
    records = write_encoded(tmp_path / "encode", {"train": 2})
    other = records[1].model_copy(update={"latent_shape": (16, 4, 4, 6)})
    write_jsonl(tmp_path / "encode" / "encoded.jsonl", [records[0], other])
    with pytest.raises(PvttError, match="TRAIN001_001"):
        EncodedDataset(tmp_path / "encode", "train")
