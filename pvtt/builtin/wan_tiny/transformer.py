"""Train wan-tiny's transformer: text to video by flow matching on the autoencoder's latents."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pvtt.builtin.wan_tiny import config
from pvtt.builtin.wan_tiny.state import save_state, write_log
from pvtt.files.atomic import atomic_directory
from pvtt.items.progress import Progress

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLWan


@dataclass(frozen=True)
class TransformerTraining:
    """Settings of one run: batch in clips, peak learning rates with a cosine to 5 %, averaged weights are kept."""

    steps: int = 4000
    batch: int = 16
    muon_lr: float = 2e-2
    adamw_lr: float = 5e-3
    ema_decay: float = 0.998
    text_dropout: float = 0.15
    seed: int = 0


def encode_clips(vae: AutoencoderKLWan, videos: Any, variants: int, seed: int) -> torch.Tensor:
    """Latents (B, V, C, F', h, w), not normalised, of clips (B, F, H, W, 3).

    The first variant is the clip itself; the others are mirrored, or have their colour channels permuted, which
    breaks the captions' colour words but not the look of a product video.
    """
    import torch

    from pvtt.builtin.wan_tiny.vae import to_tensor

    rows = []
    with torch.no_grad(), Progress("wan-tiny latents", len(videos), unit="clips") as progress:
        for number, video in enumerate(videos):
            rng = np.random.default_rng([seed, number])
            batch = [video]
            for _ in range(variants - 1):
                changed = video[..., rng.permutation(3)]
                batch.append(changed[:, :, ::-1] if rng.random() < 0.5 else changed)
            rows.append(vae.encode(to_tensor(np.stack(batch))).latent_dist.mode())
            progress.advance()
    return torch.stack(rows)


def train_transformer(
    latents: torch.Tensor,
    text: torch.Tensor,
    held_out: tuple[torch.Tensor, torch.Tensor],
    directory: Path,
    settings: TransformerTraining,
) -> None:
    """Train on normalised latents (B, V, C, F', h, w) with text embeddings (B, T, Dt).

    It trains on the latents' device. Keeps the averaged weights in `directory/transformer` and a log in
    `directory/transformer_log.csv`: step, loss, velocity error on held-out clips at four noise levels with fixed noise.
    A stopped run continues.
    """
    import torch
    from diffusers import WanTransformer3DModel
    from diffusers.training_utils import EMAModel

    from pvtt.models.flow_matching import noisy_latents, timesteps_of, velocity_target
    from pvtt.training.optimizer import MuonWithAdamW

    torch.manual_seed(settings.seed)
    device = latents.device
    model = WanTransformer3DModel(**config.TRANSFORMER).to(device)
    optimizer = MuonWithAdamW(model.parameters(), settings.muon_lr, adamw_lr=settings.adamw_lr)
    peaks = (settings.muon_lr, settings.adamw_lr)
    ema = EMAModel(model.parameters(), decay=settings.ema_decay, foreach=True)
    checkpoint = directory / "transformer_checkpoint.pt"
    start = 0
    log: list[list[Any]] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False, map_location=device)
        start, log = state["step"], state["log"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
    with Progress("wan-tiny transformer", settings.steps, directory / "progress.json", done=start, unit="steps") as bar:
        for step in range(start, settings.steps):
            rng = np.random.default_rng([settings.seed, step])
            torch.manual_seed(settings.seed * 1_000_003 + step)
            rate = min(1.0, (step + 1) / 50) * (0.05 + 0.475 * (1 + math.cos(math.pi * step / settings.steps)))
            chosen = rng.choice(len(latents), settings.batch, replace=len(latents) < settings.batch)
            variant = rng.integers(0, latents.shape[1], settings.batch)
            clean = latents[chosen, variant]
            # A variant with permuted colours no longer fits its caption: it trains without text.
            keep = torch.from_numpy((variant == 0) & (rng.random(settings.batch) >= settings.text_dropout))
            condition = text[chosen] * keep[:, None, None].to(device)
            sigma = torch.sigmoid(torch.randn(settings.batch)).to(device)
            sigma = config.SIGMA_SHIFT * sigma / (1 + (config.SIGMA_SHIFT - 1) * sigma)
            noise = torch.randn_like(clean)
            mixed = noisy_latents(clean, noise, sigma)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                velocity = model(mixed, timesteps_of(sigma), condition, return_dict=False)[0]
            loss = (velocity.float() - velocity_target(clean, noise)).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            optimizer.step()
            model.zero_grad()
            ema.step(model.parameters())
            bar.update(step + 1, f"loss {loss.item():.4f}")
            if (step + 1) % 250 == 0 or step + 1 == settings.steps:
                ema.store(model.parameters())
                ema.copy_to(model.parameters())
                errors = velocity_errors(model, *held_out)
                with atomic_directory(directory / "transformer") as folder:
                    model.save_pretrained(folder)
                ema.restore(model.parameters())
                log.append([step + 1, round(loss.item(), 5), *errors])
                state = {"step": step + 1, "log": log, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                save_state(checkpoint, state | {"ema": ema.state_dict()})
                write_log(directory / "transformer_log.csv", ("step", "loss", *(f"held_out_{s}" for s in SIGMAS)), log)


SIGMAS = (0.2, 0.5, 0.8, 0.95)


def velocity_errors(model: Any, latents: torch.Tensor, text: torch.Tensor) -> list[float]:
    """Mean squared velocity error at each of `SIGMAS`, with the same noise every time."""
    import torch

    from pvtt.models.flow_matching import noisy_latents, timesteps_of, velocity_target

    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(latents)
    errors = []
    with torch.no_grad():
        for sigma in SIGMAS:
            sigmas = torch.full((len(latents),), sigma, device=latents.device)
            velocity = model(noisy_latents(latents, noise, sigmas), timesteps_of(sigmas), text, return_dict=False)[0]
            errors.append(round((velocity - velocity_target(latents, noise)).square().mean().item(), 5))
    return errors
