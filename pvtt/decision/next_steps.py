"""What the decision matrix recommends, as commands that run: each override starts from the run's own params."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from pvtt.params.file import Params
from pvtt.records.base import Record
from pvtt.records.decision import Measurements, NextStep, Verdict

INGEST = "python -m flows.ingest"
PROMOTE = "python -m flows.promote"
RATE = "pvtt rate"


def next_steps(
    verdict: Verdict, missing: Sequence[str], params: Params, measurements: Measurements
) -> tuple[NextStep, ...]:
    """The right column of the experiment document's section 8.2, the most promising step first."""
    if verdict == "incomplete":
        return tuple(step for name in missing for step in _measure(name, params, measurements))
    steps: dict[Verdict, Callable[[Params, Measurements], tuple[NextStep, ...]]] = {
        "success": _success,
        "overfit": _overfit,
        "capacity": _capacity,
        "diverged": _diverged,
        "flicker": _flicker,
    }
    return steps[verdict](params, measurements)


def _success(params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    return (
        NextStep(text="Have a person approve the model, and promote it to full training.", command=PROMOTE),
        NextStep(text="Meanwhile, grow the data for the full model.", command=INGEST),
    )


def _overfit(params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    stage2, mask = params.train.stage2, params.encode.mask
    return (
        NextStep(text="More data: crawl new products into a new dataset version.", command=INGEST),
        NextStep(
            text="Data augmentation: twice the colour, window and mask variants of each clip, and more boxes.",
            command=_experiment(
                params,
                {
                    "encode.variants": params.encode.variants * 2,
                    "encode.mask.box_fraction": _up(mask.box_fraction, 0.2, 1.0),
                },
            ),
        ),
        NextStep(
            text="Regularisation: more weight decay and product dropout, and a smaller stage 2 learning rate.",
            command=_experiment(
                params,
                {
                    "train.stage2.weight_decay": _round(max(0.01, stage2.weight_decay) * 5),
                    "train.product_dropout": _up(params.train.product_dropout, 0.1, 0.5),
                    "train.stage2.lr": _round(stage2.lr / 2),
                },
            ),
        ),
    )


def _capacity(params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    train, model = params.train, params.model
    longer = NextStep(
        text="The loss was still falling at the end: train twice as long before anything else.",
        command=_experiment(
            params, {"train.stage1.steps": train.stage1.steps * 2, "train.stage2.steps": train.stage2.steps * 2}
        ),
    )
    if "product_tokens" in model.conditioning:
        larger = NextStep(
            text="A larger adapter: twice the product tokens, one more encoder layer.",
            command=_experiment(
                params,
                {
                    "model.num_product_tokens": model.num_product_tokens * 2,
                    "model.encoder_layers": model.encoder_layers + 1,
                },
            ),
        )
    else:
        larger = NextStep(
            text="A larger adapter: product tokens beside what it is told by.",
            command=_experiment(params, {"model.conditioning": [*model.conditioning, "product_tokens"]}),
        )
    if "*" in train.stage2.trainable:
        unfreeze = NextStep(
            text="Every parameter is trainable already: a longer stage 2 at a higher learning rate.",
            command=_experiment(
                params, {"train.stage2.steps": train.stage2.steps * 2, "train.stage2.lr": _round(train.stage2.lr * 2)}
            ),
        )
    else:
        wider = "*" if "blocks.*" in train.stage2.trainable else [*train.stage2.trainable, "blocks.*"]
        unfreeze = NextStep(
            text="Unfreeze more layers in stage 2"
            + (": the head, embeddings and norms beside the blocks." if wider == "*" else ": all DiT blocks."),
            command=_experiment(params, {"train.stage2.trainable": ["*"] if wider == "*" else wider}),
        )
    falling = measurements.loss is not None and measurements.loss.still_falling
    return (longer, larger, unfreeze) if falling else (larger, unfreeze)


def _diverged(params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    stage1, stage2 = params.train.stage1, params.train.stage2
    return (
        NextStep(
            text="Adjust the learning rate: a third of it, with a warm-up twice as long.",
            command=_experiment(
                params,
                {
                    "train.stage1.lr": _round(stage1.lr / 3),
                    "train.stage2.lr": _round(stage2.lr / 3),
                    "train.stage1.warmup_steps": max(20, stage1.warmup_steps * 2),
                    "train.stage2.warmup_steps": max(20, stage2.warmup_steps * 2),
                },
            ),
        ),
        NextStep(
            text="Check the data: validate it again, then read outs/validate/data_docs/index.html.",
            command="dvc repro --force --single-item validate",
        ),
        NextStep(text="Check the code: tests cover shapes, masks, noise levels and gradients.", command="make test"),
    )


def _flicker(params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    encode = params.encode
    loss = params.train.loss.temporal_difference
    span = (encode.num_frames - 1) * encode.frame_stride
    frames = encode.num_frames + 4
    dense = {"encode.num_frames": frames, "encode.frame_stride": max(1, span // (frames - 1))}
    return (
        NextStep(
            text="Add the temporal-difference loss." if loss == 0 else "Double the temporal-difference loss.",
            command=_experiment(params, {"train.loss.temporal_difference": _round(loss * 2) if loss else 0.5}),
        ),
        NextStep(
            text="Adjust the architecture's view of time: one more latent frame, source frames closer together.",
            command=_experiment(params, dense),
        ),
    )


def _measure(name: str, params: Params, measurements: Measurements) -> tuple[NextStep, ...]:
    if name == "rating":
        rating = measurements.test_rating
        so_far = f" ({rating.num_videos} of {rating.num_videos_to_rate} rated)" if rating else ""
        return (NextStep(text=f"Rate the test videos, 1–5{so_far}; then run `dvc repro`.", command=RATE),)
    if name == "clip_i" and not _too_few(measurements.train_clip_i):
        return (
            NextStep(
                text="Measure CLIP-I: put a CLIP folder (for example openai/clip-vit-base-patch32) at this path first.",
                command=_experiment(params, {"evaluate.clip_weights": params.evaluate.clip_weights or "models/clip"}),
            ),
        )
    if name == "loss":
        return (
            NextStep(
                text="The loss history is missing or too short to judge: train longer.",
                command=_experiment(
                    params,
                    {
                        "train.stage1.steps": max(100, params.train.stage1.steps * 2),
                        "train.stage2.steps": max(100, params.train.stage2.steps * 2),
                    },
                ),
            ),
        )
    metric = {
        "psnr": measurements.train_psnr,
        "clip_i": measurements.train_clip_i,
        "relative_flow_warp_error": measurements.test_flow_warp_error,
        "swap_gain": measurements.test_swap_gain,
    }[name]
    if _too_few(metric):
        return (NextStep(text=f"Too few samples for {name}: crawl more products.", command=INGEST),)
    return (NextStep(text=f"Measure {name}: evaluate again.", command="dvc repro --force --single-item evaluate"),)


def _too_few(metric: Any) -> bool:
    return metric is not None and metric.status == "too_few"


def _round(value: float) -> float:
    """Three significant digits: commands are read by people."""
    return float(f"{value:.3g}")


def _up(value: float, by: float, most: float) -> float:
    return _round(min(most, value + by))


def _experiment(params: Params, overrides: dict[str, Any]) -> str:
    """A `dvc exp run` with these params.

    A key that `params.yaml` leaves at its default must be added (`++`): DVC refuses to override what isn't in the file.
    """
    parts = [f"{'' if _in_file(params, key) else '++'}{key}={_hydra(value)}" for key, value in overrides.items()]
    return " ".join(["dvc exp run", *(f"-S {shlex.quote(part)}" for part in parts)])


def _in_file(params: Record, key: str) -> bool:
    section: Any = params
    for part in key.split("."):
        if part not in section.model_fields_set:
            return False
        section = getattr(section, part)
    return True


def _hydra(value: Any) -> str:
    """A value in Hydra's override grammar; in a list, patterns such as `blocks.*` need quotes."""
    if isinstance(value, list):
        return "[" + ",".join(f'"{item}"' for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
