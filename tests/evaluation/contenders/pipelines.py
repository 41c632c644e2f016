"""Stock pipelines and trained models of random weights, in the folders that routes are given."""

from __future__ import annotations

from pathlib import Path

from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanVACEPipeline
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from pvtt.models.contracts import Contracts
from pvtt.params.encode import EncodeParams
from pvtt.params.model import Conditioning, ModelParams
from pvtt.training.model import new_model, save_pipeline
from tests.tiny_wan import opened, tiny_i2v, tiny_text_encoder, tiny_tokenizer, tiny_vace, tiny_vae


def scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def save_vace(folder: Path) -> Path:
    """A stock VACE; returns `folder`."""
    WanVACEPipeline(
        tiny_tokenizer(), tiny_text_encoder(), tiny_vae("wan2.1"), scheduler(), tiny_vace()
    ).save_pretrained(folder)
    return folder


def save_image_to_video(folder: Path) -> Path:
    """A stock image-to-video pipeline with its image encoder; returns `folder`."""
    looks = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    WanImageToVideoPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=tiny_text_encoder(),
        vae=tiny_vae("wan2.1"),
        scheduler=scheduler(),
        image_processor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        image_encoder=CLIPVisionModel(looks).eval(),
        transformer=tiny_i2v(),
    ).save_pretrained(folder)
    return folder


def save_trained(folder: Path, base: Path, encode: EncodeParams, conditioning: tuple[Conditioning, ...]) -> Path:
    """A model over a base of `build_tiny_base` with open gates, as after some training; returns `folder`."""
    tokens = {"tokens_per_view": 4, "product_dim": 64}
    params = ModelParams(conditioning=conditioning, num_product_tokens=6, product_heads=2)
    model = opened(new_model(base, params, encode.max_photos, tokens, seed=0))
    folder.mkdir(parents=True)
    save_pipeline(folder, model, base, Contracts.from_params(encode), encode)
    return folder
