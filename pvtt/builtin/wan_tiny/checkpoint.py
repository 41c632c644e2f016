"""Put wan-tiny together: one Diffusers folder, as a stock Wan2.1 text-to-video checkpoint has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pvtt.builtin.wan_tiny import config
from pvtt.files.atomic import atomic_directory, atomic_write_text
from pvtt.models.origin import forget_origin

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLWan

MAX_BYTES = 20_000_000


def latent_statistics(latents: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of latents (B, C, F', h, w)."""
    flat = latents.float().transpose(0, 1).flatten(1)
    return [round(value, 5) for value in flat.mean(1).tolist()], [round(value, 5) for value in flat.std(1).tolist()]


def load_vae(directory: Path, mean: list[float] | None = None, std: list[float] | None = None) -> AutoencoderKLWan:
    """The trained autoencoder, with the latents' statistics in its configuration."""
    import torch
    from diffusers import AutoencoderKLWan

    statistics = {} if mean is None else {"latents_mean": mean, "latents_std": std}
    vae = AutoencoderKLWan.from_pretrained(directory / "vae", torch_dtype=torch.float32, **statistics)
    return vae.eval().requires_grad_(False)


def write_checkpoint(
    destination: Path, vae: Any, transformer: Any, tokenizer: Any, text_encoder: Any, logs: list[Path]
) -> int:
    """Write the folder with 16-bit weights, and the training logs beside them. Returns its size in bytes."""
    import torch
    from diffusers import UniPCMultistepScheduler, WanPipeline

    pipeline = WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder.to(torch.float16),
        transformer=transformer.to(torch.float16),
        vae=vae.to(torch.float16),
        # As Wan2.1 ships it. FlowMatchEulerDiscreteScheduler would shift its smallest noise level twice: of few steps
        # the last then ends far from where Wan's list ends.
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=config.SIGMA_SHIFT
        ),
    )
    with atomic_directory(destination) as directory:
        pipeline.save_pretrained(directory)
        forget_origin(directory)
        (directory / "training").mkdir()
        for log in logs:
            shutil.copyfile(log, directory / "training" / log.name)
        readme = destination / "README.md"
        if readme.exists():
            shutil.copyfile(readme, directory / "README.md")
    size = sum(file.stat().st_size for file in destination.rglob("*") if file.is_file())
    if size > MAX_BYTES:
        raise ValueError(f"{destination} has {size} bytes, more than {MAX_BYTES}")
    return size


def measure(checkpoint: Path, videos: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Reconstruction PSNR in dB of the shipped autoencoder on clips (B, F, H, W, 3)."""
    from pvtt.builtin.wan_tiny.vae import evaluate

    vae = load_vae(checkpoint)
    return {"clips": len(videos), "psnr": round(evaluate(vae, videos), 3)}


def write_measurement(path: Path, measurement: dict[str, float]) -> None:
    """Write `measurement` as JSON."""
    atomic_write_text(path, json.dumps(measurement, indent=2) + "\n")
