"""Train wan-tiny's video autoencoder.

Images first (spatial detail is learnt several times faster without the causal time axis), then 9-frame clips, the
length that the model is used at, then the decoder alone on whole frames, with the encoder and so the latents fixed.
Latents are deterministic at first, then get a little noise, so that the decoder forgives the errors of a diffusion
model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pvtt.builtin.wan_tiny import config
from pvtt.builtin.wan_tiny.state import save_state, write_log
from pvtt.files.atomic import atomic_directory
from pvtt.items.progress import Progress

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLWan


@dataclass(frozen=True)
class VaeTraining:
    """Settings of one run.

    Args:
        image_steps: Steps on single frames.
        video_steps: Training steps on clips, after those on single frames.
        decoder_steps: Steps on clips of the decoder alone, for squared error, which is what PSNR measures.
        image_batch: Single frames a step.
        video_batch: Clips a step.
        crop: (height, width) of training crops; multiples of 16.
        full_size_steps: The last video steps, on whole frames.
        muon_lr, adamw_lr: Peak learning rates; cosine to 2 %.
        latent_noise: Standard deviation of the noise on latents in the last half, relative to the latents' own.
        ema_decay: Of the exponential moving average of weights, which is what is kept.
    """

    image_steps: int = 1200
    video_steps: int = 1200
    decoder_steps: int = 1000
    image_batch: int = 4
    video_batch: int = 2
    crop: tuple[int, int] = (64, 80)
    full_size_steps: int = 300
    muon_lr: float = 6e-4
    adamw_lr: float = 1e-3
    latent_noise: float = 0.05
    ema_decay: float = 0.995
    seed: int = 0


def to_tensor(videos: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Frames (B, F, H, W, 3) in 0..255 to (B, 3, F, H, W) in [-1, 1]."""
    import torch

    return torch.from_numpy(videos).permute(0, 4, 1, 2, 3).float().div(127.5).sub(1)


def psnr(prediction: torch.Tensor, target: torch.Tensor) -> list[float]:
    """Peak signal-to-noise ratio of each sample in dB, for values in [-1, 1]."""
    error = (prediction.clamp(-1, 1) - target).square().flatten(1).mean(1) / 4
    return [-10 * math.log10(max(value, 1e-12)) for value in error.tolist()]


def reconstruction_loss(error: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error of (B, 3, F, H, W), with the error of the colour difference counted twice more.

    Without the second part the autoencoder settles, for thousands of steps, on one colour axis out of two.
    """
    chroma = error - error.mean(1, keepdim=True)

    def size(part: torch.Tensor) -> torch.Tensor:
        return part.abs().mean() + 4 * part.square().mean()

    return size(error) + 2 * size(chroma)


def _augment(batch: npt.NDArray[np.uint8], crop: tuple[int, int] | None, rng: np.random.Generator) -> Any:
    """A random crop, mirror image and order of colour channels, one for the whole batch."""
    if crop is not None:
        top = rng.integers(0, batch.shape[2] - crop[0] + 1)
        left = rng.integers(0, batch.shape[3] - crop[1] + 1)
        batch = batch[:, :, top : top + crop[0], left : left + crop[1]]
    if rng.random() < 0.5:
        batch = batch[:, :, :, ::-1]
    return np.ascontiguousarray(batch[..., rng.permutation(3)])


def evaluate(vae: AutoencoderKLWan, videos: npt.NDArray[np.uint8]) -> float:
    """Mean reconstruction PSNR over clips (B, 9, H, W, 3), from the posterior's mode."""
    import torch

    values: list[float] = []
    with torch.no_grad():
        for video in videos:
            target = to_tensor(video[None])
            values += psnr(vae.decode(vae.encode(target).latent_dist.mode()).sample, target)
    return float(np.mean(values))


def train_vae(
    train: npt.NDArray[np.uint8], held_out: npt.NDArray[np.uint8], directory: Path, settings: VaeTraining
) -> None:
    """Train on clips (B, 9, H, W, 3) and keep the averaged weights in `directory/vae`.

    `directory/vae_log.csv` gets a line every 100 steps: step, phase, loss, PSNR of the averaged weights
    on held-out frames (image phase) or clips.
    A run that is stopped continues from `directory/vae_checkpoint.pt`.
    """
    import torch
    from diffusers import AutoencoderKLWan
    from diffusers.training_utils import EMAModel

    from pvtt.training.optimizer import MuonWithAdamW

    torch.manual_seed(settings.seed)
    vae = AutoencoderKLWan(**config.VAE)
    optimizer = MuonWithAdamW(vae.parameters(), settings.muon_lr, adamw_lr=settings.adamw_lr)
    peaks = (settings.muon_lr, settings.adamw_lr)
    ema = EMAModel(vae.parameters(), decay=settings.ema_decay)
    joint = settings.image_steps + settings.video_steps
    total = joint + settings.decoder_steps
    checkpoint = directory / "vae_checkpoint.pt"
    directory.mkdir(parents=True, exist_ok=True)
    start = 0
    log: list[list[Any]] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        start, log = state["step"], state["log"]
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
    with Progress("wan-tiny vae", total, directory / "progress.json", done=start, unit="steps") as progress:
        for step in range(start, total):
            rng = np.random.default_rng([settings.seed, step])
            torch.manual_seed(settings.seed * 1_000_003 + step)
            images, decoder_only = step < settings.image_steps, step >= joint
            if decoder_only:
                rate = 0.01 + 0.12 * (1 + math.cos(math.pi * (step - joint) / settings.decoder_steps))
            else:
                rate = min(1.0, (step + 1) / 30) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / joint)))
            if step == joint:
                ema.copy_to(vae.parameters())  # the encoder's averaged weights are the ones that stay
            vae.encoder.requires_grad_(not decoder_only)
            vae.quant_conv.requires_grad_(not decoder_only)
            size = settings.image_batch if images else settings.video_batch
            crop = settings.crop if step < joint - settings.full_size_steps else None
            if crop is None:
                size = max(1, size * settings.crop[0] * settings.crop[1] // (config.HEIGHT * config.WIDTH))
            chosen = train[rng.choice(len(train), size, replace=len(train) < size)]
            if images:
                chosen = chosen[:, rng.integers(0, chosen.shape[1], 1)]
            target = to_tensor(_augment(chosen, crop, rng))
            # In fp32: a CPU without bf16 units takes 80 times as long under autocast.
            posterior = vae.encode(target).latent_dist
            latents = posterior.mode()
            if step > joint // 2:
                scale = latents.detach().std(dim=(0, 2, 3, 4), keepdim=True)
                latents = latents + settings.latent_noise * scale * torch.randn_like(latents)
            error = vae.decode(latents).sample - target
            if decoder_only:
                loss = 4 * error.square().mean()
            else:  # the KL term only bounds the latents' scale
                loss = reconstruction_loss(error) + 1e-6 * posterior.kl().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            optimizer.step()
            vae.zero_grad()
            ema.step(vae.parameters())
            progress.update(step + 1, f"loss {loss.item():.4f}")
            if (step + 1) % 100 == 0 or step + 1 == total:
                ema.store(vae.parameters())
                ema.copy_to(vae.parameters())
                shown = held_out[:: max(1, len(held_out) // 8)][:8]
                value = evaluate(vae, shown[:, 4:5] if images else shown)
                if (step + 1) % 500 == 0 or step + 1 == total:
                    with atomic_directory(directory / "vae") as folder:
                        vae.save_pretrained(folder)
                ema.restore(vae.parameters())
                phase = "image" if images else "decoder" if decoder_only else "video"
                log.append([step + 1, phase, round(loss.item(), 5), round(value, 3)])
                state = {"step": step + 1, "log": log, "vae": vae.state_dict(), "optimizer": optimizer.state_dict()}
                save_state(checkpoint, state | {"ema": ema.state_dict()})
                write_log(directory / "vae_log.csv", ("step", "phase", "loss", "held_out_psnr"), log)
