"""`pvtt wan-tiny`: render the clips, train and export the small base model that the project ships."""

from __future__ import annotations

from pathlib import Path

import click

from pvtt.files.workspace import find_workspace

VAE_PRODUCTS = 144
HELD_OUT = 12  # the last of them; neither network sees them
_HELD_OUT = range(VAE_PRODUCTS - HELD_OUT, VAE_PRODUCTS)


def _directory() -> Path:
    return find_workspace().state / "wan_tiny"


@click.group()
def command() -> None:
    """Train the base model models/wan-tiny from nothing (hours on two cores).

    \b
    Run the steps in this order; each continues where it was stopped:
      pvtt wan-tiny data          render the training clips (needs `pip install 'pvtt[shop]'`)
      pvtt wan-tiny vae           train the autoencoder
      pvtt wan-tiny transformer   train the transformer on its latents
      pvtt wan-tiny export        write models/wan-tiny
      pvtt wan-tiny measure       reconstruction PSNR on held-out clips
    \b
    Products filmed beside their partners, with photos, for training on more than the sample shop has:
      pvtt wan-tiny takes         render them
      pvtt wan-tiny workspace     write them as a workspace, in which `pvtt encode`, `pvtt train_stage1`, … run
      pvtt wan-tiny base          train models/wan-tiny's transformer on its samples
      pvtt wan-tiny champion      write models/pvtt-tiny from what was trained there
    """


@command.command()
@click.option("--products", default=200, show_default=True, help="Products to render, two shots each.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def data(products: int, jobs: int) -> None:
    """Render the training clips into .pvtt/wan_tiny/clips."""
    from pvtt.builtin.wan_tiny.data import render_clips

    render_clips(_directory(), products, jobs)


@command.command()
@click.option("--image-steps", default=1200, show_default=True)
@click.option("--video-steps", default=1200, show_default=True)
@click.option("--decoder-steps", default=1000, show_default=True)
@click.option("--threads", default=2, show_default=True, help="Torch threads.")
def vae(image_steps: int, video_steps: int, decoder_steps: int, threads: int) -> None:
    """Train the autoencoder on the first products."""
    import torch

    from pvtt.builtin.wan_tiny.data import load_clips
    from pvtt.builtin.wan_tiny.vae import VaeTraining, train_vae

    torch.set_num_threads(threads)
    train = load_clips(_directory(), range(VAE_PRODUCTS - HELD_OUT)).videos
    held_out = load_clips(_directory(), _HELD_OUT).videos
    settings = VaeTraining(image_steps=image_steps, video_steps=video_steps, decoder_steps=decoder_steps)
    train_vae(train, held_out, _directory(), settings)


def _text(captions: list[str], all_captions: list[str]) -> tuple[object, object, object]:
    from pvtt.builtin.wan_tiny.text import build_text_encoder, build_tokenizer, embed

    tokenizer = build_tokenizer(all_captions)
    encoder = build_text_encoder(len(tokenizer), seed=0)
    return tokenizer, encoder, embed(tokenizer, encoder, captions)


@command.command()
@click.option("--steps", default=2400, show_default=True)
@click.option("--variants", default=4, show_default=True, help="Colour and mirror variants of each clip.")
@click.option("--threads", default=2, show_default=True, help="Torch threads.")
def transformer(steps: int, variants: int, threads: int) -> None:
    """Train the transformer on the autoencoder's latents of all rendered products but the held-out ones."""
    import torch

    from pvtt.builtin.wan_tiny.checkpoint import latent_statistics, load_vae
    from pvtt.builtin.wan_tiny.data import load_clips, rendered_products
    from pvtt.builtin.wan_tiny.state import save_state
    from pvtt.builtin.wan_tiny.transformer import TransformerTraining, encode_clips, train_transformer

    torch.set_num_threads(threads)
    directory = _directory()
    train = load_clips(directory, [index for index in rendered_products(directory) if index not in _HELD_OUT])
    test = load_clips(directory, _HELD_OUT)
    network = load_vae(directory)
    cached = directory / "latents.pt"
    if cached.exists():
        latents, test_latents = torch.load(cached)
    else:
        latents = encode_clips(network, train.videos, variants, seed=0)
        test_latents = encode_clips(network, test.videos, 1, seed=0)[:, 0]
        save_state(cached, (latents, test_latents))
    mean, std = latent_statistics(latents.flatten(0, 1))
    save_state(directory / "statistics.pt", (mean, std))
    offset, scale = (torch.tensor(values).view(-1, 1, 1, 1) for values in (mean, std))
    _, _, text = _text([*train.captions, *test.captions], train.captions)
    assert isinstance(text, torch.Tensor)
    count = len(train.captions)
    train_transformer(
        (latents - offset) / scale,
        text[:count],
        ((test_latents - offset) / scale, text[count:]),
        directory,
        TransformerTraining(steps=steps),
    )


@command.command()
def export() -> None:
    """Write models/wan-tiny with 16-bit weights."""
    import torch
    from diffusers import WanTransformer3DModel

    from pvtt.builtin.shop.products import product_spec
    from pvtt.builtin.wan_tiny.checkpoint import load_vae, write_checkpoint
    from pvtt.builtin.wan_tiny.data import NAMESPACE, SHOTS, rendered_products

    directory = _directory()
    indices = [index for index in rendered_products(directory) if index not in _HELD_OUT]
    captions = [product_spec(NAMESPACE, index).caption for index in indices for _ in range(SHOTS)]
    tokenizer, encoder, _ = _text(captions[:1], captions)
    mean, std = torch.load(directory / "statistics.pt")
    size = write_checkpoint(
        find_workspace().root / "models" / "wan-tiny",
        load_vae(directory, mean, std),
        WanTransformer3DModel.from_pretrained(directory / "transformer"),
        tokenizer,
        encoder,
        [directory / "vae_log.csv", directory / "transformer_log.csv"],
    )
    click.echo(f"models/wan-tiny: {size / 1e6:.1f} MB")


@command.command()
def measure() -> None:
    """Measure the shipped autoencoder on held-out clips; writes models/wan-tiny/training/vae.json."""
    from pvtt.builtin.wan_tiny.checkpoint import measure as measure_checkpoint
    from pvtt.builtin.wan_tiny.checkpoint import write_measurement
    from pvtt.builtin.wan_tiny.data import load_clips

    checkpoint = find_workspace().root / "models" / "wan-tiny"
    held_out = load_clips(_directory(), _HELD_OUT)
    result = measure_checkpoint(checkpoint, held_out.videos)
    write_measurement(checkpoint / "training" / "vae.json", result)
    click.echo(f"{result['psnr']} dB over {result['clips']} held-out clips")


@command.command()
@click.option("--products", default=1600, show_default=True, help="Products to render; an even number.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def takes(products: int, jobs: int) -> None:
    """Render procedural products into .pvtt/wan_tiny/takes: two films and four photos each (about 5 s)."""
    from pvtt.builtin.wan_tiny.data import NAMESPACE
    from pvtt.builtin.wan_tiny.takes import render_takes

    render_takes(_directory(), NAMESPACE, products, jobs)


@command.command()
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path))
@click.option("--more", is_flag=True, help="For a further round: training continues models/pvtt-tiny.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def workspace(destination: Path, more: bool, jobs: int) -> None:
    """Write the rendered takes as a workspace at DESTINATION.

    \b
      pvtt wan-tiny takes --products 400
      pvtt wan-tiny workspace ../procedural
      (cd ../procedural && pvtt encode)
      pvtt wan-tiny base ../procedural
      (cd ../procedural && pvtt train_stage1 && pvtt train_stage2 && pvtt evaluate)
      pvtt wan-tiny champion ../procedural
    """
    from pvtt.builtin.wan_tiny.takes import partner_of, rendered_takes
    from pvtt.builtin.wan_tiny.workspace import FIRST_ROUND, FURTHER_ROUND, write_workspace

    rendered = rendered_takes(_directory())
    whole = [index for index in rendered if partner_of(index) in set(rendered)]
    profile = FURTHER_ROUND if more else FIRST_ROUND
    count = write_workspace(_directory(), whole, find_workspace(), destination, profile, jobs)
    click.echo(f"{destination}: {count} samples of {len(whole)} products")


@command.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--steps", default=1500, show_default=True)
@click.option("--batch", default=64, show_default=True, help="Samples a step.")
def base(source: Path, steps: int, batch: int) -> None:
    """Train the transformer of models/wan-tiny anew, on the samples that `pvtt encode` made in the workspace SOURCE.

    The workspace gets it too, so that its trainings start from it. On a GPU if there is one.
    """
    from pvtt.builtin.wan_tiny.base import train_base
    from pvtt.builtin.wan_tiny.transformer import TransformerTraining
    from pvtt.files.workspace import Workspace

    settings = TransformerTraining(steps=steps, batch=batch, muon_lr=1e-2, adamw_lr=3e-3)
    train_base(Workspace(source.resolve()), find_workspace().root / "models" / "wan-tiny", settings)


@command.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
def champion(source: Path) -> None:
    """Write models/pvtt-tiny from the workspace SOURCE, in which both training stages have run."""
    from pvtt.builtin.wan_tiny.champion import write_champion
    from pvtt.files.workspace import Workspace

    size = write_champion(Workspace(source.resolve()), find_workspace().root / "models" / "pvtt-tiny")
    click.echo(f"models/pvtt-tiny: {size / 1e6:.1f} MB")
