"""All stages, in the order of the pipeline."""

from __future__ import annotations

from pvtt.stages import (
    clip,
    decide,
    encode,
    evaluate,
    photos,
    report,
    segment,
    train_stage1,
    train_stage2,
    validate,
)
from pvtt.stages.stage import Stage

STAGES: tuple[Stage, ...] = (
    clip.STAGE,
    segment.STAGE,
    photos.STAGE,
    validate.STAGE,
    encode.STAGE,
    train_stage1.STAGE,
    train_stage2.STAGE,
    evaluate.STAGE,
    decide.STAGE,
    report.STAGE,
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
PROFILE_PARTS = {stage.name: stage.profile_part for stage in STAGES}  # of a Slurm profile, by stage


def find_stage(name: str) -> Stage | None:
    """The stage of that name; None where there is none."""
    return next((stage for stage in STAGES if stage.name == name), None)
