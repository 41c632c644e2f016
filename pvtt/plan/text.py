"""A plan as text, for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pvtt.plan.cluster import DISK_BYTES_S
from pvtt.plan.result import RunPlan, StagePlan

WIDTH = 100


def in_words(count: int) -> str:
    """A number of parameters: 14.3 B, 7.9 M."""
    return f"{count / 1e9:.1f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def hours_in_words(hours: float) -> str:
    """A time: 40 s, 12 min, 3.4 h, 120 h."""
    if hours * 3600 < 90:
        return f"{hours * 3600:.0f} s"
    if hours < 1.5:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"


def _amount(gib: float) -> str:
    if gib == float("inf"):
        return "not said"
    if gib < 0.1:
        return f"{gib * 1024:.0f} MiB" if gib >= 0.001 else "-"
    return f"{gib:.1f}" if gib < 100 else f"{gib:,.0f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


def _hours(plan: RunPlan) -> str:
    rows: list[tuple[str, ...]] = [("stage", "on", "a step", "time", "GPU hours")]
    for stage in plan.stages:
        step = "" if stage.step_seconds is None else f"{stage.step_seconds:.2f} s"
        gpu_hours = f"{stage.gpu_hours:,.1f}" if stage.gpu_hours else "-"
        name = "generate (a film of 10 s)" if stage.name == "generate" else stage.name
        rows.append((name, stage.where, step, hours_in_words(stage.hours), gpu_hours))
    rows.append(("together, without the film", "", "", "", f"{plan.gpu_hours:,.1f}" if plan.gpu_hours else "-"))
    return _table(rows)


def _memory(plan: RunPlan) -> str:
    rows: list[tuple[str, ...]] = [
        ("GiB", "weights", "grads", "optimizer", "EMA", "copies", "activ.", "reserve", "sum", "no ckpt.")
    ]
    for stage in (one for one in plan.stages if one.memory is not None and one.name != "generate"):
        memory = stage.memory
        assert memory is not None
        parts = (
            memory.weights,
            memory.gradients,
            memory.optimizer,
            memory.ema,
            memory.copies,
            memory.activations,
            memory.reserve,
            memory.total,
        )
        other = "" if stage.without_checkpointing_gib is None else _amount(stage.without_checkpointing_gib)
        rows.append((stage.name, *(_amount(part) for part in parts), other))
    return _table(rows)


def _checkpoint(stage: StagePlan) -> str:
    assert stage.checkpoint_gib is not None
    assert stage.checkpoint_seconds is not None
    return f"{_amount(stage.checkpoint_gib)} in {stage.checkpoint_seconds:.0f} s"


def _wrapped(text: str, first: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def describe_run(plan: RunPlan) -> str:
    """The plan for a person."""
    first, second = (stage for stage in plan.stages if stage.trainable is not None)
    assert first.trainable is not None
    assert second.trainable is not None
    each = f"each of {plan.num_gpus} {plan.gpu.upper()}" if plan.gpu else f"each of {plan.num_gpus} processes on CPUs"
    held = "sharded by FSDP2" if plan.sharded else "whole on each"
    host = "" if plan.host_available_gib is None else f" of {plan.host_available_gib:,.0f}"
    rate = f"{plan.utilisation:.0%} of the GPUs' peak (MFU)" if plan.gpu else "a stated rate a core"
    disk = plan.disk
    fits = ["it fits"] if not plan.faults else []
    for fault in plan.faults:
        fits += [_wrapped(fault.what, "does not fit: "), _wrapped(fault.change, "      change: ")]
    return "\n".join(
        [
            _wrapped(f"profile {plan.profile} on {plan.slurm}"),
            _wrapped(plan.base, "base     "),
            _wrapped(
                f"{in_words(plan.parameters)} parameters, {in_words(plan.product_parameters)} for the "
                f"product; trained: {in_words(first.trainable)}, then {in_words(second.trainable)}",
                "model    ",
            ),
            _wrapped(f"{plan.clips:,} clips ({plan.clips_from}); {plan.patches:,} tokens a sample", "data     "),
            "",
            f"Time, at {rate}:",
            _hours(plan),
            "",
            f"Memory of {each}, {_amount(plan.available_gib)} GiB there, weights {held}:",
            _memory(plan),
            "",
            _wrapped(f"{_amount(plan.host_gib)}{host} GiB of a node's own memory", "host     "),
            _wrapped(
                f"{_amount(disk.total)} GiB: samples {_amount(disk.encoded)}, checkpoints "
                f"{_amount(disk.checkpoints)}, models {_amount(disk.models)}, DVC's cache {_amount(disk.cache)}",
                "disk     ",
            ),
            _wrapped(
                f"a checkpoint, GiB, at {DISK_BYTES_S / 1e9:g} GB/s: stage 1 {_checkpoint(first)}, stage 2 "
                f"{_checkpoint(second)}"
            ),
            *(_wrapped(note, "note: ") for note in plan.notes),
            "",
            *fits,
        ]
    )
