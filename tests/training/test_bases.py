"""Both stages on random bases that are no Wan2.1-T2V, and what they leave."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import ParamsError
from pvtt.files.workspace import Workspace
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.media.arrays import MaskVideo, Rgba, Video
from pvtt.models.cogvideox import CogVideoXProductTransformer
from pvtt.models.image_to_video import TEXT_TOKENS, ProductImageVideoTransformer
from pvtt.models.transformer import is_product_parameter
from pvtt.params.file import Params
from pvtt.stages import train_stage1, train_stage2
from tests.encoding.samples import disc_frames
from tests.evaluation.contenders.pipelines import save_image_to_video
from tests.tiny_cogvideox import build_tiny_cogvideox
from tests.tiny_wan import TEXT_DIM, tiny_clip, tiny_i2v
from tests.training.samples import Shape, tiny_params, write_encoded

HERE = InlineDispatcher()


def cogvideox_params(**changes: object) -> Params:
    """Two steps of each stage, the first to warm up, of the parameters that infra/profiles/cogvideox.yaml trains."""
    params = tiny_params(steps=2, **changes)
    stages = {
        "stage1": ("parts.*", "transformer_blocks.*.parts.*"),
        "stage2": ("parts.*", "patch_embed.*", "transformer_blocks.*"),
    }
    settings = {
        name: getattr(params.train, name).model_copy(update={"trainable": trainable})
        for name, trainable in stages.items()
    }
    return params.model_copy(update={"train": params.train.model_copy(update=settings)})


def inputs() -> tuple[Video, MaskVideo, Rgba]:
    """A film of 9 frames of 48×32, where to generate, and a photo of a square."""
    frames, mask = disc_frames(9, (200, 40, 40))
    photo = np.zeros((32, 32, 4), np.uint8)
    photo[8:24, 8:24] = (90, 140, 60, 255)
    return frames[:, :32, :48], mask[:, :32, :48] > 127, photo


def weights_of(*folders: Path) -> list[dict[str, torch.Tensor]]:
    """The transformers' weights of pipeline folders."""
    return [load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors") for folder in folders]


def test_both_stages_train_a_cogvideox_and_leave_a_pipeline_that_generates(workspace: Workspace) -> None:
    base = workspace.root / "models" / "base"
    shutil.rmtree(base)
    build_tiny_cogvideox(base, "5b")
    with pytest.raises(ParamsError, match="for Wan's blocks"):
        train_stage1.run(workspace, cogvideox_params(attention="math"), HERE)
    params = cogvideox_params(validation_pictures=1)
    train_stage1.run(workspace, params, HERE)
    train_stage2.run(workspace, params, HERE)

    folders = [base, *(workspace.out(stage) / "model" for stage in ("train_stage1", "train_stage2"))]
    stock, first, second = weights_of(*folders)
    assert all(torch.equal(first[name], stock[name]) for name in stock)
    assert any(first[name].any() for name in first if is_product_parameter(name) and name.endswith("gate"))
    assert any(not torch.equal(second[name], stock[name]) for name in stock if ".attn1." in name)
    assert all(torch.equal(second[name], stock[name]) for name in stock if name.startswith("proj_out."))

    pipeline = ProductVideoPipeline.from_pretrained(folders[-1])
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.transformer, CogVideoXProductTransformer)
    assert pipeline.transformer.config.snr_shift_scale == 1.0
    frames, mask, photo = inputs()

    def generate(product_guidance: float) -> Video:
        made = pipeline(
            frames, mask, [photo], "a box", num_inference_steps=2, product_guidance=product_guidance, strength=0.6,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        assert made.frames is not None
        return np.asarray(made.frames[0])

    video = generate(1.0)
    assert video.shape == frames.shape
    assert (video[~mask] == frames[~mask]).all()
    assert (video[mask] != frames[mask]).any()
    assert (generate(3.0) != video).any()
    saved = workspace.root / "again"
    pipeline.save_pretrained(saved)
    pipeline = ProductVideoPipeline.from_pretrained(saved)
    pipeline.set_progress_bar_config(disable=True)
    assert (generate(1.0) == video).all()


def test_both_stages_train_an_image_to_video_model_and_leave_a_pipeline_that_generates(workspace: Workspace) -> None:
    base = workspace.root / "models" / "base"
    shutil.rmtree(base)
    save_image_to_video(base)
    tiny_i2v(image_dim=16).save_pretrained(base / "transformer")
    clip = str(tiny_clip(workspace.root / "clip"))
    shutil.rmtree(workspace.out("encode"))
    write_encoded(workspace.out("encode"), shape=Shape(text=(TEXT_TOKENS, TEXT_DIM)), extras=True)
    params = tiny_params(steps=2)
    encode = {"image_features": "clip", "image_encoder": clip, "text_tokens": TEXT_TOKENS}
    params = params.model_copy(update={"encode": params.encode.model_copy(update=encode)})
    train_stage1.run(workspace, params, HERE)
    train_stage2.run(workspace, params, HERE)

    folders = [base, *(workspace.out(stage) / "model" for stage in ("train_stage1", "train_stage2"))]
    stock, first, second = weights_of(*folders)
    assert all(torch.equal(first[name], stock[name]) for name in stock)
    assert any(not torch.equal(second[name], stock[name]) for name in stock if ".attn2.add_k_proj." in name)
    pipeline = ProductVideoPipeline.from_pretrained(folders[-1])
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.transformer, ProductImageVideoTransformer)
    frames, mask, photo = inputs()
    videos = []
    for photos in ([photo], []):
        made = pipeline(
            frames, mask, photos, "a box", num_inference_steps=2, image_encoder=clip,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        assert made.frames is not None
        videos.append(np.asarray(made.frames[0]))
        assert (videos[-1][~mask] == frames[~mask]).all()
    assert (videos[0] != videos[1]).any()
