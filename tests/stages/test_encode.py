from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.encoding.photos import read_photo
from pvtt.errors import MissingInputError, ParamsError, PvttError
from pvtt.files.hashing import sha256_file, sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Rgba, Video
from pvtt.media.cutouts import letterbox
from pvtt.media.video import write_video
from pvtt.models.conditioning.photo_features import VAE_BACKGROUND, encode_photos, flatten_photo
from pvtt.models.contracts import Contracts
from pvtt.models.loading import load_vae
from pvtt.params.file import Params, load_params
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject
from pvtt.records.dataset import EncodedSample, TemplateClip, read_encoded_transfers, read_foreign
from pvtt.stages import encode
from tests.encoding.samples import tiny_encode_params, with_photos, write_dataset, write_sample, write_transfer
from tests.scenes import draw_shot
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

    shared = params.encode.model_copy(update={"seed": params.seed})
    encode.run(workspace, params.model_copy(update={"seed": params.seed + 1, "encode": shared}), InlineDispatcher())
    assert {path: path.stat().st_ino for path in (out / "samples").iterdir()} == files  # of the same draws


def test_no_sample_is_given_a_moment_of_its_own_clip(
    tmp_path: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    build_tiny_base(tmp_path / "models" / "base")
    frames, masks = draw_shot(0, 24)
    dark = (frames * 0.5).astype(np.uint8)

    def moment(of: Video, place: int) -> Rgba:
        return letterbox(np.dstack([of[place], masks[place]]), 128, 0.06)

    own, other = [moment(frames, 3), moment(frames, 20)], moment(dark, 9)
    entries = [
        with_photos(tmp_path, write_sample(tmp_path, "SOME001", film=(frames, masks)), [own[0], other]),
        with_photos(tmp_path, write_sample(tmp_path, "FILM001", film=(frames, masks)), own),
        write_sample(tmp_path, "FILM001", clip_id="002", film=(dark, masks)),
        with_photos(tmp_path, write_sample(tmp_path, "NONE001", film=(frames, masks)), own),
    ]
    write_dataset(workspace, entries)
    encode.run(workspace, params, InlineDispatcher())

    out = workspace.out("encode")
    some, film, second = read_jsonl(out / "encoded.jsonl", EncodedSample)
    assert (some.photo_paths, some.own_moments, some.num_views) == (
        entries[0].photo_paths[1:],
        entries[0].photo_paths[:1],
        1,
    )
    assert film.own_moments == entries[1].photo_paths
    assert film.reference_clips == ("002",) * 3
    assert film.photo_paths == tuple(f"outs/encode/samples/FILM001_001/{number:02d}.png" for number in (1, 2, 3))
    assert film.photo_sha256s == tuple(sha256_file(tmp_path / path) for path in film.photo_paths)
    given = film.given(entries[1])
    views = [flatten_photo(read_photo(tmp_path / path), 32, VAE_BACKGROUND) for path in given.photo_paths]
    expected = encode_photos(load_vae(tmp_path / "models" / "base"), np.stack(views))
    assert torch.allclose(load_file(out / film.path)["photo_latents"][0], expected, atol=1e-4)
    assert not second.reference_clips
    rejects = [(one.item, one.reason, one.failed) for one in read_jsonl(out / "rejects.jsonl", Reject)]
    assert rejects == [
        ("NONE001_001", "no_reference", False),
        ("SOME001_001/001-00.png", "own_moment", False),
        ("FILM001_001/001-00.png", "own_moment", False),
        ("FILM001_001/001-01.png", "own_moment", False),
    ]
    assert "3 photos show a moment of the clip itself" in capsys.readouterr().err

    before = sha256_tree(out)
    encode.run(workspace, params, InlineDispatcher())
    assert sha256_tree(out) == before


def test_foreign_clips_are_encoded_beside_the_samples_and_leave_these_alone(
    tmp_path: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    build_tiny_base(tmp_path / "models" / "base")
    settings = params.encode.model_copy(update={"max_failed_fraction": 0.5})
    params = params.model_copy(update={"encode": settings})
    write_dataset(workspace, [write_sample(tmp_path, "DISC001", "train")])
    encode.run(workspace, params, InlineDispatcher())
    out = workspace.out("encode")
    assert read_foreign(out) == []
    before = sha256_tree(out / "samples")

    (tmp_path / "street").mkdir()
    for name, num_frames in (("day", 30), ("night", 24), ("short", 8)):
        write_video(tmp_path / "street" / f"{name}.mp4", draw_shot(len(name), num_frames)[0], fps=12)
    (tmp_path / "street" / "torn.mp4").write_bytes(b"no video at all")
    with_films = params.model_copy(update={"encode": settings.model_copy(update={"preservation_clips": "street"})})
    capsys.readouterr()
    encode.run(workspace, with_films, InlineDispatcher())
    said = capsys.readouterr().err
    assert "encode: 0 of 1 items were new" in said  # the sample's
    assert "encode: 4 of 4 items were new" in said
    assert [sample.name for sample in read_foreign(out)] == ["day.mp4", "night.mp4"]
    latents = load_file(out / read_foreign(out)[0].path)["latents"]
    assert latents.shape == (2, *read_foreign(out)[0].latent_shape)
    rejects = [(one.item, one.reason, one.failed) for one in read_jsonl(out / "rejects.jsonl", Reject)]
    assert sorted(rejects) == [("foreign/short.mp4", "too_short", False), ("foreign/torn.mp4", "not_a_video", False)]
    encode.run(workspace, with_films, InlineDispatcher())
    assert "encode: 0 of 4 items were new" in capsys.readouterr().err
    encode.run(workspace, params, InlineDispatcher())
    assert sha256_tree(out / "samples") == before


def test_for_template_frames_samples_without_a_template_are_left_out_and_counted(
    tmp_path: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path)
    build_tiny_base(tmp_path / "models" / "base")
    model = params.model.model_copy(update={"conditioning": ("template_frames", "reference_frames")})
    params = params.model_copy(update={"model": model})
    plain = write_sample(tmp_path, "DISC001", "train")
    other = TemplateClip.model_validate({name: getattr(plain, name) for name in TemplateClip.model_fields})
    entries = [plain, write_sample(tmp_path, "DISC002", "train").model_copy(update={"template": other})]
    write_dataset(workspace, entries)

    encode.run(workspace, params, InlineDispatcher())

    assert "1 of 2 samples have no film of the same shot with another product" in capsys.readouterr().err
    (sample,) = read_jsonl(workspace.out("encode") / "encoded.jsonl", EncodedSample)
    assert sample.key == "DISC002_001"
    assert "template_latents" in load_file(workspace.out("encode") / sample.path)
    (reject,) = read_jsonl(workspace.out("encode") / "rejects.jsonl", Reject)
    assert (reject.item, reject.reason) == ("DISC001_001", "no_template")
    write_dataset(workspace, entries[:1])
    with pytest.raises(PvttError, match="1 of 1 samples have no film"):
        encode.run(workspace, params, InlineDispatcher())


def test_missing_dataset_and_base_say_what_to_do(tmp_path: Path, params: Params) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(MissingInputError, match=r"entries\.jsonl does not exist"):
        encode.run(workspace, params, InlineDispatcher())
    write_dataset(workspace, [])
    with pytest.raises(MissingInputError, match="models/base does not exist"):
        encode.run(workspace, params, InlineDispatcher())


def test_settings_that_the_base_was_not_trained_with_are_told_before_anything_is_encoded(
    tmp_path: Path, params: Params
) -> None:
    workspace = Workspace(tmp_path)
    write_dataset(workspace, [write_sample(tmp_path)])
    base = build_tiny_base(tmp_path / "models" / "base")
    config = base / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"image_dim": 8}))
    clip = params.encode.model_copy(update={"image_features": "clip", "text_tokens": 512})
    black = clip.model_copy(update={"mask": params.encode.mask.model_copy(update={"fill": -1.0})})
    for encoded, hint in (
        (params.encode, "encode.image_features: clip"),
        (clip.model_copy(update={"text_tokens": 12}), "encode.text_tokens: 512"),
        (black, "encode.mask.fill: 0"),
    ):
        with pytest.raises(ParamsError) as refused:
            encode.run(workspace, params.model_copy(update={"encode": encoded}), InlineDispatcher())
        assert hint in str(refused.value.hint)
    assert not workspace.out("encode").exists()
