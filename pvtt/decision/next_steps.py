"""What the decision matrix recommends, as commands that run: each override starts from the run's own params."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from pvtt.params.evaluate import EvaluateParams
from pvtt.params.file import Params
from pvtt.records.base import Record
from pvtt.records.decision import Measurements, NextStep, Verdict
from pvtt.records.parts import PARTS, Part

INGEST = "python -m flows.ingest"
PROMOTE = "python -m flows.promote"
RATE = "pvtt rate"
EVALUATE = "dvc repro --force --single-item evaluate"

MARGIN = 0.02  # of shares of masks, so that rounding changes no order

Steps: TypeAlias = tuple[NextStep, ...]


ADDED: tuple[Verdict, ...] = ("flicker", "conditioning")  # whose steps help beside those of a verdict further up


def next_steps(
    verdict: Verdict, missing: Sequence[str], failed: Sequence[Verdict], params: Params, measurements: Measurements
) -> tuple[NextStep, ...]:
    """The right column of the experiment document's section 8.2, the most promising step first.

    Every experiment starts from the run's own params and fits their schema together with them; one that would not, or
    would change nothing, is left out.

    Args:
        verdict: Of the run.
        missing: Unmeasured criteria that could change it.
        failed: The verdicts that failed criteria would give by themselves.
        params: The run's own.
        measurements: What was measured.
    """
    if verdict == "incomplete":
        return tuple(dict.fromkeys(step for name in missing for step in _measure(name, params, measurements)))
    steps: dict[Verdict, Callable[[Params, Measurements], Steps]] = {
        "success": _success,
        "overfit": _overfit,
        "conditioning": _conditioning,
        "capacity": _capacity,
        "diverged": _diverged,
        "flicker": _flicker,
    }
    own = steps[verdict](params, measurements)
    if verdict == "diverged":
        return own
    beside = [steps[other](params, measurements) for other in ADDED if other in failed and other != verdict]
    return tuple(dict.fromkeys([*own, *(step for of_other in beside for step in of_other)]))


def _success(params: Params, measurements: Measurements) -> Steps:
    return (
        NextStep(text="Have a person approve the model, and promote it to full training.", command=PROMOTE),
        NextStep(text="Meanwhile, grow the data for the full model.", command=INGEST),
    )


def _overfit(params: Params, measurements: Measurements) -> Steps:
    stage2 = params.train.stage2
    return (
        *_stop_earlier(params, measurements),
        NextStep(text="More data: crawl new products into a new dataset version.", command=INGEST),
        *_experiment(
            params,
            "Data augmentation: twice the colour, window and mask variants of each clip, and more boxes.",
            {"encode.variants": params.encode.variants * 2, "encode.mask.box_fraction": _more_boxes(params)},
        ),
        *_experiment(
            params,
            "Regularisation: more weight decay and product dropout, and a smaller stage 2 learning rate.",
            {
                "train.stage2.weight_decay": _round(max(0.01, stage2.weight_decay) * 5),
                "train.product_dropout": _up(params.train.product_dropout, 0.1, 0.5),
                "train.stage2.lr": _round(stage2.lr / 2),
            },
        ),
    )


def _conditioning(params: Params, measurements: Measurements) -> Steps:
    encode, train, model = params.encode, params.train, params.model
    steps = [
        *_experiment(
            params,
            "Ask for the difference that photos make: another product's must explain the product worse than its own.",
            {"train.loss.contrastive": _round(train.loss.contrastive * 2) if train.loss.contrastive else 0.5},
        ),
        *_experiment(
            params,
            "More counterfactual pairs, whose template shows another product: photos alone say what is asked for.",
            {"encode.transfer": _up(encode.transfer, 0.3, 1.0)},
        ),
    ]
    for part, text in (
        ("reference_frames", "Give the photos as frames of their own, whose details the video attends to."),
        ("collage", "Give the photo that fits best in its place, as a pasted photo is what must be beaten."),
    ):
        if part not in model.conditioning:
            steps += _experiment(params, text, {"model.conditioning": [*model.conditioning, part]})
    steps += _experiment(
        params,
        "Without training: exaggerate what the photos say when sampling.",
        {"evaluate.product_guidance": _round(max(1.0, params.evaluate.product_guidance) * 1.5)},
    )
    return tuple(steps)


def _stop_earlier(params: Params, measurements: Measurements) -> Steps:
    """Where the validation loss has risen since a step of stage 2: stop there."""
    trend, (stage1, stage2) = measurements.validation, (params.train.stage1, params.train.stage2)
    if trend is None or not trend.rising:
        return ()
    steps = trend.best_step - stage1.steps
    if steps < 1:
        return _experiment(
            params,
            "The validation loss rose from the start of stage 2: a smaller learning rate there.",
            {"train.stage2.lr": _round(stage2.lr / 3)},
        )
    return _experiment(
        params,
        f"The validation loss was lowest after {steps} steps of stage 2: train so many.",
        {"train.stage2.steps": steps, "train.stage2.warmup_steps": min(stage2.warmup_steps, max(1, steps // 10))},
    )


def _capacity(params: Params, measurements: Measurements) -> Steps:
    train, model = params.train, params.model
    risen = measurements.validation is not None and measurements.validation.rising
    longer: Steps = ()
    if measurements.loss is not None and measurements.loss.still_falling and not risen:
        longer = _experiment(
            params,
            "The loss was still falling at the end: train twice as long before anything else.",
            {"train.stage1.steps": train.stage1.steps * 2, "train.stage2.steps": train.stage2.steps * 2},
        )
    if "product_tokens" in model.conditioning:
        larger = _experiment(
            params,
            "A larger adapter: twice the product tokens, one more encoder layer.",
            {
                "model.num_product_tokens": model.num_product_tokens * 2,
                "model.encoder_layers": model.encoder_layers + 1,
                "train.start": "base",  # a champion's adapter stays as large as it is
            },
        )
    else:
        larger = _experiment(
            params,
            "A larger adapter: product tokens beside what it is told by.",
            {"model.conditioning": [*model.conditioning, "product_tokens"]},
        )
    if train.stage2.lora.rank:
        unfreeze = _experiment(
            params,
            "Train the layers of stage 2 themselves in place of an adapter (LoRA).",
            {"train.stage2.lora.rank": 0},
        )
    elif "*" not in train.stage2.trainable:
        wider = ["*"] if "blocks.*" in train.stage2.trainable else [*train.stage2.trainable, "blocks.*"]
        unfreeze = _experiment(
            params,
            "Unfreeze more layers in stage 2"
            + (": the head, embeddings and norms beside the blocks." if wider == ["*"] else ": all DiT blocks."),
            {"train.stage2.trainable": wider},
        )
    elif risen:
        unfreeze = ()
    else:
        unfreeze = _experiment(
            params,
            "Every parameter is trainable already: a longer stage 2 at a higher learning rate.",
            {"train.stage2.steps": train.stage2.steps * 2, "train.stage2.lr": _round(train.stage2.lr * 2)},
        )
    return (*_stop_earlier(params, measurements), *longer, *larger, *unfreeze)


def _diverged(params: Params, measurements: Measurements) -> Steps:
    stage1, stage2 = params.train.stage1, params.train.stage2
    return (
        *_experiment(
            params,
            "Adjust the learning rate: a third of it, with a warm-up twice as long.",
            {
                "train.stage1.lr": _round(stage1.lr / 3),
                "train.stage2.lr": _round(stage2.lr / 3),
                "train.stage1.warmup_steps": max(20, stage1.warmup_steps * 2),
                "train.stage2.warmup_steps": max(20, stage2.warmup_steps * 2),
            },
        ),
        NextStep(
            text="Check the data: validate it again, then read outs/validate/data_docs/index.html.",
            command="dvc repro --force --single-item validate",
        ),
        NextStep(text="Check the code: tests cover shapes, masks, noise levels and gradients.", command="make test"),
    )


def _flicker(params: Params, measurements: Measurements) -> Steps:
    encode = params.encode
    loss = params.train.loss.temporal_difference
    span = (encode.num_frames - 1) * encode.frame_stride
    frames = encode.num_frames + 4
    return (
        *_experiment(
            params,
            "Add the temporal-difference loss." if loss == 0 else "Double the temporal-difference loss.",
            {"train.loss.temporal_difference": _round(loss * 2) if loss else 0.5},
        ),
        *_experiment(
            params,
            "Adjust the architecture's view of time: one more latent frame, source frames closer together.",
            {"encode.num_frames": frames, "encode.frame_stride": max(1, span // (frames - 1))},
        ),
    )


PART_OF: dict[str, Part] = {
    "psnr": "train",
    "clip_i": "train",
    "rating": "test",
    "relative_flow_warp_error": "test",
    "swap_gain": "test",
    "paste_gain": "transfer",
    "untrained_gain": "transfer",
}


def _left_out(name: str, params: Params) -> Steps:
    """Where `evaluate` leaves out the part that a criterion is about: to take it in again."""
    part = PART_OF.get(name)
    if part is not None and part not in params.evaluate.parts:
        wanted = {part, *params.evaluate.parts, *(["test"] if part == "transfer" else [])}  # which it goes with
        parts = [one for one in PARTS if one in wanted]
        return _experiment(params, f"evaluate.parts leaves {part} out: take it in again.", {"evaluate.parts": parts})
    if part == "transfer" and params.evaluate.max_transfers == 0:
        most = EvaluateParams.model_fields["max_transfers"].default
        return _experiment(params, "evaluate.max_transfers is 0: measure transfers.", {"evaluate.max_transfers": most})
    return ()


def _measure(name: str, params: Params, measurements: Measurements) -> Steps:
    left_out = _left_out(name, params)
    if left_out:
        return left_out
    if name == "rating":
        rating = measurements.test_rating
        so_far = f" ({rating.num_videos} of {rating.num_videos_to_rate} rated)" if rating else ""
        return (NextStep(text=f"Rate the test videos, 1–5{so_far}; then run `dvc repro`.", command=RATE),)
    if name == "clip_i" and not _too_few(measurements.train_clip_i):
        text = "Measure CLIP-I: put a CLIP folder (for example openai/clip-vit-base-patch32) at this path first."
        weights = params.evaluate.clip_weights
        if weights is None:
            return _experiment(params, text, {"evaluate.clip_weights": "models/clip"})
        return (NextStep(text=f"Measure CLIP-I with {weights}: evaluate again.", command=EVALUATE),)
    if name == "loss":
        return _experiment(
            params,
            "The loss history is missing or too short to judge: train longer.",
            {
                "train.stage1.steps": max(100, params.train.stage1.steps * 2),
                "train.stage2.steps": max(100, params.train.stage2.steps * 2),
            },
        )
    metric = {
        "psnr": measurements.train_psnr,
        "clip_i": measurements.train_clip_i,
        "relative_flow_warp_error": measurements.test_flow_warp_error,
        "swap_gain": measurements.test_swap_gain,
        "paste_gain": measurements.transfer_paste_gain,
        "untrained_gain": measurements.transfer_untrained_gain,
    }[name]
    if name in ("paste_gain", "untrained_gain") and not _too_few(metric):
        text = "Measure transfers: validate.transfers names a folder of true videos with another product in each."
        return (NextStep(text=text, command=EVALUATE),)
    if _too_few(metric):
        return (NextStep(text=f"Too few samples for {name}: crawl more products.", command=INGEST),)
    return (NextStep(text=f"Measure {name}: evaluate again.", command=EVALUATE),)


def _too_few(metric: Any) -> bool:
    return metric is not None and metric.status == "too_few"


def _round(value: float) -> float:
    """Three significant digits: commands are read by people."""
    return float(f"{value:.3g}")


def _up(value: float, by: float, most: float) -> float:
    return _round(min(most, value + by))


def _more_boxes(params: Params) -> float:
    """A larger share of boxes, as far as the others leave room, and evaluation keeps its kind of mask."""
    mask = params.encode.mask
    box, grid = mask.box_fraction, mask.grid_fraction
    outline = 1 - box - grid  # which gives what boxes get
    if box > max(grid, outline):  # boxes are what evaluation has already
        room = outline
    elif grid >= outline:
        room = min(outline, grid - box - MARGIN)
    else:
        room = min(outline - grid, (outline - box) / 2) - MARGIN
    return _round(box + max(0.0, min(0.2, room)))


def _experiment(params: Params, text: str, overrides: dict[str, Any]) -> Steps:
    """A `dvc exp run` with these params; none where they change nothing, or do not fit the run's others.

    A key that `params.yaml` leaves at its default must be added (`++`): DVC refuses to override what isn't in the file.
    """
    changed = {key: value for key, value in overrides.items() if value != _value(params, key)}
    if not changed or not _fit(params, changed):
        return ()
    parts = [f"{'' if _in_file(params, key) else '++'}{key}={_hydra(value)}" for key, value in changed.items()]
    return (NextStep(text=text, command=" ".join(["dvc exp run", *(f"-S {shlex.quote(part)}" for part in parts)])),)


def _value(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = getattr(value, part)
    return list(value) if isinstance(value, tuple) else value


def _fit(params: Params, overrides: dict[str, Any]) -> bool:
    values = params.model_dump(mode="json", by_alias=True)
    for key, value in overrides.items():
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section[part]
        section[name] = value
    try:
        Params.model_validate_json(json.dumps(values))
    except ValidationError:
        return False
    return True


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
