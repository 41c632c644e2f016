"""What may be a base and what may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNetMotionModel

from pvtt.errors import PvttError
from pvtt.models.bases import new_around_base
from pvtt.models.loading import load_vae, read_model_index, require_pipeline
from pvtt.models.published import published_at, published_config
from pvtt.models.summary import part_costs
from pvtt.params.file import load_params
from pvtt.params.profiles import overlaid_params
from tests.tiny_cogvideox import build_tiny_cogvideox

PROJECT = Path(__file__).resolve().parents[2]


def test_a_unet_is_refused_by_every_reader_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "AnimateDiffPipeline", "unet": ["diffusers", "X"]}')
    for read in (read_model_index, require_pipeline, load_vae):
        with pytest.raises(PvttError, match="AnimateDiffPipeline") as error:
            read(tmp_path)
        assert "CogVideoX" in error.value.hint


@torch.no_grad()
def test_what_keeps_an_animatediff_out(one_thread: None) -> None:
    """docs/bases.md names these."""
    most = 32
    assert most < overlaid_params(PROJECT / "params.yaml", PROJECT / "infra" / "profiles", "poc").encode.num_frames
    unet = UNetMotionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        norm_num_groups=2,
        layers_per_block=1,
        cross_attention_dim=16,
        num_attention_heads=2,
    )
    assert unet.config.motion_max_seq_length == most
    assert unet.config.in_channels == AutoencoderKL().config.latent_channels == 4

    def made(num_frames: int) -> torch.Size:
        latents, text = torch.zeros(1, 4, num_frames, 8, 8), torch.zeros(num_frames, 5, 16)
        shape: torch.Size = unet(latents, torch.tensor([10]), text).sample.shape
        return shape

    assert made(most) == (1, 4, most, 8, 8)
    with pytest.raises(RuntimeError, match="33"):
        made(most + 1)


def test_published_bases_are_as_large_as_their_names_say() -> None:
    params = load_params(PROJECT / "params.yaml")
    found = {
        name: part_costs(params, published_config(name), [])[0].parameters / 1e9
        for name in ("poc", "prod", "cogvideox-2b", "cogvideox-5b", "wan2.1-i2v-14b")
    }
    assert {name: round(billions, 2) for name, billions in found.items()} == {
        "poc": 1.42,
        "prod": 14.29,
        "cogvideox-2b": 1.69,
        "cogvideox-5b": 5.57,
        "wan2.1-i2v-14b": 16.39,
    }
    assert published_at("models/cogvideox-5b", "poc") == published_config("cogvideox-5b")
    assert published_at("models/of-mine", "tiny") is None


def test_a_cogvideox_s_schedule_is_read_beside_its_transformer(tmp_path: Path) -> None:
    model = new_around_base(build_tiny_cogvideox(tmp_path, "5b"), conditioning=("mask_channels",))
    assert model.config.snr_shift_scale == 1.0
