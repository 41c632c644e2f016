"""`pvtt model`: what the model is made of, and what its parts cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pvtt.params.file import Params

LARGEST_TIMED = 100_000_000  # parameters: a larger base is not timed on a CPU


def _with_conditioning(params: Params, names: Sequence[str]) -> Params:
    """The params with these parts, and what they need encoded; without any as they are. Raises `ParamsError`."""
    from pvtt.params.file import parse_params

    if not names:
        return params
    data = json.loads(params.model_dump_json(by_alias=True))
    data["model"]["conditioning"] = list(names)
    if "dual_encoder" in names:
        data["encode"]["image_features"] = "clip_dino"
    return parse_params(data, "--conditioning")


def _trainable(params: Params, config: dict[str, Any]) -> dict[str, int]:
    """Parameters that each stage trains of a base with this configuration; nothing is loaded."""
    import torch

    from pvtt.models.summary import new_transformer
    from pvtt.training.lora import num_trainable

    with torch.device("meta"):
        model = new_transformer(params, config, params.model.conditioning)
    stages = {"stage1": params.train.stage1, "stage2": params.train.stage2}
    return {name: num_trainable(model, settings, f"train.{name}") for name, settings in stages.items()}


def _trainable_line(trained: dict[str, int], params: Params) -> str:
    rank = params.train.stage2.lora.rank
    lora = f" (LoRA of rank {rank})" if rank else ""
    return f"  trained: {trained['stage1']:,} parameters in stage 1, {trained['stage2']:,} in stage 2{lora}"


@click.group()
def command() -> None:
    """What the model is made of."""


@command.command()
@click.option("--time/--no-time", "timed", default=True, help="Time a forward and backward pass (seconds, on the CPU).")
@click.option("--rounds", default=5, show_default=True, help="Of timing; the least counts.")
@click.option(
    "--conditioning", "names", multiple=True, metavar="PART", help="A part, in place of model.conditioning; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def summary(timed: bool, rounds: int, names: tuple[str, ...], as_json: bool) -> None:
    """Parameters, tokens and time of the base and of each part of model.conditioning, and what each stage trains.

    A row's time is that of the base with all parts up to it, beside the stock base with as many tokens. Below are the
    same parts on Wan2.1-T2V 1.3B (profile poc) and 14B (prod) and on CogVideoX-2B (cogvideox), counted without loading
    them.
    """
    from pvtt.files.workspace import find_workspace
    from pvtt.models.loading import read_transformer_config
    from pvtt.models.published import FALLBACKS, PROFILES, published_config
    from pvtt.models.summary import part_costs, published, step_seconds, stock_seconds
    from pvtt.params.file import load_params
    from pvtt.params.profiles import overlaid_params

    workspace = find_workspace()
    params = _with_conditioning(load_params(workspace.params_file), names)
    config = read_transformer_config(workspace.root / params.model.base)
    conditioning = params.model.conditioning
    costs = part_costs(params, config, conditioning)
    stock = None
    if timed and sum(cost.parameters for cost in costs) <= LARGEST_TIMED:
        seconds = step_seconds(params, config, conditioning, rounds=rounds)
        costs = [replace(cost, seconds=value) for cost, value in zip(costs, seconds, strict=True)]
        stock = stock_seconds(config, params, sum(cost.tokens for cost in costs), rounds=rounds)
    profiles = workspace.root / "infra" / "profiles"
    of_profile = {
        name: _with_conditioning(overlaid_params(workspace.params_file, profiles, name), names)
        for name in PROFILES
        if name not in FALLBACKS or "context_blocks" not in names  # which only a Wan can have
    }
    large = {name: published(params, name) for name, params in of_profile.items()}
    trained = {}  # of another conditioning nothing is said: the patterns of train.*.trainable are for the params' own
    if not names:
        trained = {name: _trainable(of_profile[name], published_config(name)) for name in of_profile}
        trained["parts"] = _trainable(params, config)
    if as_json:
        parts = {"parts": [asdict(cost) for cost in costs], "stock_seconds": stock, "trainable": trained}
        click.echo(json.dumps(parts | {name: [asdict(cost) for cost in of] for name, of in large.items()}, indent=2))
        return
    click.echo(f"{params.model.base}, one sample:")
    for cost in costs:
        time = "" if cost.seconds is None else f"  {cost.seconds * 1000:8.0f} ms"
        click.echo(f"  {cost.name:18}{cost.parameters:>13,} parameters  {cost.tokens:>7,} tokens{time}  {cost.says}")
    if trained:
        click.echo(_trainable_line(trained["parts"], params))
    if stock is not None and costs[-1].seconds is not None:
        ratio = costs[-1].seconds / stock
        click.echo(f"  the stock base on as many tokens: {stock * 1000:.0f} ms; this is {ratio:.2f} times that")
    for name, of_size in large.items():
        click.echo(f"profile {name}:")
        for cost in of_size:
            click.echo(f"  {cost.name:18}{cost.parameters:>14,} parameters  {cost.tokens:>7,} tokens")
        if trained:
            click.echo(_trainable_line(trained[name], of_profile[name]))
