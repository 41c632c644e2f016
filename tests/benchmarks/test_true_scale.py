"""Wan2.1-1.3B in its true configuration, random weights, on one GPU: what a step takes beside what `pvtt plan` says.

`pytest tests/benchmarks/test_true_scale.py -s` prints the figures; some four minutes of one H100. Nothing is
downloaded: the profile is poc, its base a random transformer of the published shape beside a tiny autoencoder and text
encoder, its samples noise of the profile's size.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.models.summary import dummy_conditions, new_transformer, published_config
from pvtt.params.file import Params
from pvtt.params.profiles import overlaid_params
from pvtt.params.train import Attention
from pvtt.plan.cluster import GPUS, Cluster
from pvtt.plan.counts import count
from pvtt.plan.memory import training_memory
from pvtt.plan.shape import GIB, architecture, sample_shape
from pvtt.plan.work import Model, step_flops
from pvtt.training.attention import set_attention
from pvtt.training.job import TrainJob, TrainStage
from pvtt.training.loop import Training, train
from pvtt.training.precision import in_bf16
from pvtt.training.runtime import accelerate_for, deterministic
from tests.tiny_wan import tiny_tokenizer, tiny_vae
from tests.training.samples import Shape, tiny_params, write_encoded

PROJECT = Path(__file__).resolve().parents[2]
WARM_UP, STEPS = 2, 5
STAGES: tuple[TrainStage, ...] = ("train_stage1", "train_stage2")
PEAK = GPUS["h100"][1]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of 80 GB")


@pytest.fixture(scope="module")
def params() -> Params:
    """The profile poc, a sample a step."""
    params = overlaid_params(PROJECT / "params.yaml", PROJECT / "infra" / "profiles", "poc")
    changes: dict[str, Any] = {"wandb": "disabled", "validation_pictures": 0}
    for stage in ("stage1", "stage2"):
        settings = getattr(params.train, stage)
        changes[stage] = settings.model_copy(update={"batch_size": 1, "steps": 1000, "checkpoint_every": 1000})
    return params.model_copy(update={"train": params.train.model_copy(update=changes)})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Workspace:
    """A base of the published shape, and four samples of the profile's size, of one to four photos."""
    root, config = tmp_path_factory.mktemp("true"), published_config("poc")
    with torch.device("cuda"):
        transformer = WanTransformer3DModel(**config).to(torch.bfloat16).cpu()
    text = UMT5Config(vocab_size=64, d_model=config["text_dim"], d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    WanPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=UMT5EncoderModel(text).eval(),
        vae=tiny_vae("wan2.1"),
        scheduler=scheduler,
        transformer=transformer,
    ).save_pretrained(root / params.model.base)
    encode = params.encode
    shape = Shape(
        latents=(16, (encode.num_frames - 1) // 4 + 1, encode.height // 8, encode.width // 8),
        photo=(encode.photo_size // 8, encode.photo_size // 8),
        text=(encode.text_tokens, config["text_dim"]),
    )
    workspace = Workspace(root)
    write_encoded(workspace.out("encode"), {"train": 4, "val": 1}, num_variants=1, max_views=4, shape=shape)
    return workspace


def changed(params: Params, **train: Any) -> Params:
    return params.model_copy(update={"train": params.train.model_copy(update=train)})


@contextmanager
def started(workspace: Workspace, params: Params, stage: int) -> Iterator[Training]:
    """A training of a stage's parameters, from the base; the GPU's peak counts from here."""
    settings = params.train.stage1 if stage == 1 else params.train.stage2
    params = changed(params, stage1=settings)  # stage 1 is what starts from a base
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with accelerate_for(params.train, 1) as accelerator:
        training = Training(TrainJob(workspace, "train_stage1", params), accelerator)
        yield training
        del training


def seconds_of(step: Callable[[], Any], steps: int = STEPS) -> float:
    """The median of some steps, after those that warm up."""
    taken = []
    for _ in range(WARM_UP + steps):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return sorted(taken[WARM_UP:])[steps // 2]


@pytest.mark.parametrize("stage", [1, 2])
def test_a_step_takes_what_is_planned(workspace: Workspace, params: Params, stage: int) -> None:
    config = published_config("poc")
    shape, sample, counts = architecture(config), sample_shape(params), count(params, config)
    flops = step_flops(params, Model(shape, counts.total, sample.patches), counts.trainable[stage - 1], True)
    planned = training_memory(params, shape, sample, counts, stage, Cluster(1, reserve_gib=0.0), sharded=False)
    with deterministic(params.train.deterministic), started(workspace, params, stage) as training:
        seconds = seconds_of(training.train_step)
        trained, total = training.num_trainable, training.num_parameters
    gib = torch.cuda.max_memory_allocated() / GIB
    print(
        f"\nstage {stage}: {total:,} parameters, {trained:,} trained, {sample.patches} patches; {seconds:.2f} s, "
        f"{flops / seconds / PEAK:.0%} of {torch.cuda.get_device_name()}'s {PEAK / 1e12:.0f} TFLOP/s; "
        f"{gib:.1f} GiB at most, planned {planned.total:.1f} ({gib / planned.total:.2f}): {planned}"
    )
    assert (trained, total) == (counts.trainable[stage - 1], counts.total)
    assert 0.9 < gib / planned.total < 1.1


def test_which_kernels_are_fast(workspace: Workspace, params: Params) -> None:
    """Seconds a step of stage 2 by kernels of attention, deterministic and not, eager and compiled."""
    names: list[tuple[Attention, bool]] = [(name, strict) for name in get_args(Attention) for strict in (True, False)]
    for compiled in (False, True):
        with started(workspace, changed(params, compile=compiled), 2) as training:
            for name, strict in [("auto", True), ("auto", False)] if compiled else names:
                try:
                    with deterministic(strict):
                        set_attention(training.transformer, name, training.accelerator.device, in_bf16=True)
                        shown = f"{seconds_of(training.train_step, steps=3):.2f} s"
                except (PvttError, RuntimeError) as error:
                    shown = str(error).splitlines()[0]
                print(f"\n{name}{', deterministic' * strict}{', compiled' * compiled}: {shown}", end="", flush=True)
                training.optimizer.zero_grad()


@pytest.mark.parametrize("collage", [False, True])
def test_product_attention_beside_stock_wan_on_as_many_tokens(params: Params, collage: bool) -> None:
    """Forward and backward of one sample, in bfloat16 under checkpointing."""
    config, device = published_config("poc"), torch.device("cuda")
    parts = ("mask_channels", "reference_frames", *(["collage"] if collage else []))
    conditions, timestep = dummy_conditions(params, config).to(device), torch.full((1,), 500.0, device=device)
    latents = torch.randn_like(conditions.masked_latents)
    frames, columns = latents.shape[2], latents.shape[4] // 2
    rows = round(sample_shape(params).patches / (frames * columns))
    taller = torch.randn(1, 16, frames, 2 * rows, 2 * columns, device=device)

    def seconds(model: Any, *inputs: Any) -> float:
        model.enable_gradient_checkpointing()
        in_bf16(model, device, sharded=False)

        def step() -> None:
            model(*inputs).sample.square().mean().backward()
            model.zero_grad()

        return seconds_of(step)

    with device:
        ours = new_transformer(params, config, parts).train()
    with_photos = seconds(ours, latents, timestep, conditions)
    del ours
    gc.collect()
    with device:
        stock = WanTransformer3DModel(**config).train()
    without = seconds(stock, taller, timestep, conditions.text)
    print(f"\n{', '.join(parts)}: {with_photos:.2f} s, stock {without:.2f} s: {with_photos / without:.2f}", end="")
    assert with_photos < 1.15 * without


@pytest.mark.parametrize("compiled", [False, True])
def test_two_trainings_on_a_gpu_end_in_the_same_bytes(tmp_path: Path, compiled: bool) -> None:
    """A small model with all that a default training has."""
    digests = set()
    for name in ("first", "second"):
        workspace = Workspace(tmp_path / name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "models").symlink_to(PROJECT / "models")
        shape = Shape(latents=(16, 2, 20, 30), photo=(16, 16), text=(24, 32))
        write_encoded(workspace.out("encode"), {"train": 16, "val": 2}, num_variants=2, max_views=4, shape=shape)
        params = tiny_params(steps=12, stage={"batch_size": 8}, precision="bf16", compile=compiled)
        params = params.model_copy(update={"model": params.model.model_copy(update={"base": "models/wan-tiny"})})
        for stage in STAGES:
            train(TrainJob(workspace, stage, params))
        weights = workspace.out("train_stage2") / "model" / "transformer" / "diffusion_pytorch_model.safetensors"
        digests.add(hashlib.sha256(weights.read_bytes()).hexdigest())
    print(f"\n{'compiled' * compiled}: {digests}", end="")
    assert len(digests) == 1
