from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.models.contracts import Contracts
from pvtt.params.file import Params, load_params
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.dataset import EncodedSample, read_encoded_transfers
from pvtt.stages import encode
from tests.encoding.samples import tiny_encode_params, write_dataset, write_sample, write_transfer
from tests.tiny_wan import build_tiny_base


@pytest.fixture
def params(project_root: Path) -> Params:
    torch.set_num_threads(1)
    loaded = load_params(project_root / "params.yaml")
    return loaded.model_copy(
        update={
            "encode": tiny_encode_params(variants=2),
            "model": loaded.model.model_copy(update={"base": "models/base"}),
        }
    )


def test_samples_are_encoded_once_and_the_short_one_is_turned_away(tmp_path: Path, params: Params) -> None:
    workspace = Workspace(tmp_path)
    build_tiny_base(tmp_path / "models" / "base")
    entries = [
        write_sample(tmp_path, "DISC001", "train"),
        write_sample(tmp_path, "DISC002", "test"),
        write_sample(tmp_path, "DISC003", "val", num_frames=12),
    ]
    transfer = write_transfer(tmp_path, entries[1], entries[0], (40, 40, 200))
    write_dataset(workspace, entries, [transfer])
    encode.run(workspace, params, InlineDispatcher())

    out = workspace.out("encode")
    samples = read_jsonl(out / "encoded.jsonl", EncodedSample)
    assert [(sample.key, sample.split, sample.num_variants) for sample in samples] == [
        ("DISC001_001", "train", 2),
        ("DISC002_001", "test", 1),
    ]
    (encoded,) = read_encoded_transfers(out)
    assert (encoded.key, encoded.track, encoded.num_variants) == ("DISC002_9001", "transfer", 1)
    assert load_file(out / encoded.path)["latents"].shape[1:] == encoded.latent_shape
    assert load_file(out / samples[0].path)["latents"].shape[1:] == samples[0].latent_shape
    (reject,) = read_jsonl(out / "rejects.jsonl", Reject)
    assert (reject.item, reject.reason, reject.failed) == ("DISC003_001", "too_short", False)
    assert Contracts.load(out) == Contracts.from_params(params.encode)

    before = sha256_tree(out)
    files = {path: path.stat().st_ino for path in (out / "samples").iterdir()}
    encode.run(workspace, params, InlineDispatcher())
    assert sha256_tree(out) == before
    assert {path: path.stat().st_ino for path in (out / "samples").iterdir()} == files  # from the item cache


def test_missing_dataset_and_base_say_what_to_do(tmp_path: Path, params: Params) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(MissingInputError, match=r"entries\.jsonl does not exist"):
        encode.run(workspace, params, InlineDispatcher())
    write_dataset(workspace, [])
    with pytest.raises(MissingInputError, match="models/base does not exist"):
        encode.run(workspace, params, InlineDispatcher())
