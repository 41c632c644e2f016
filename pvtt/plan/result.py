"""What a plan says."""

from __future__ import annotations

from dataclasses import dataclass

from pvtt.plan.disk import Disk
from pvtt.plan.memory import Memory


@dataclass(frozen=True)
class Fault:
    """Why a run does not fit, and what to change."""

    what: str
    change: str


@dataclass(frozen=True)
class StagePlan:
    """One stage.

    Args:
        name: As in `dvc.yaml`; `generate` is one film of ten seconds.
        where: What it runs on, in words.
        hours: From its start to its end.
        gpu_hours: On all GPUs together; 0 where it uses none.
        memory: Of one GPU; None where it uses none.
        step_seconds: Of an optimizer step; None for other stages.
        without_checkpointing_gib: What a GPU would need without gradient checkpointing; None for other stages.
        trainable: Parameters that it trains.
        checkpoint_gib: One checkpoint.
        checkpoint_seconds: To write it.
    """

    name: str
    where: str
    hours: float
    gpu_hours: float = 0.0
    memory: Memory | None = None
    step_seconds: float | None = None
    without_checkpointing_gib: float | None = None
    trainable: int | None = None
    checkpoint_gib: float | None = None
    checkpoint_seconds: float | None = None


@dataclass(frozen=True)
class RunPlan:
    """The whole plan. Memory in GiB, times in hours."""

    profile: str
    slurm: str
    base: str
    parameters: int
    product_parameters: int
    patches: int
    clips: int
    clips_from: str
    gpu: str | None
    num_gpus: int
    available_gib: float
    utilisation: float
    sharded: bool
    host_gib: float
    host_available_gib: float | None
    max_hours: float
    stages: tuple[StagePlan, ...]
    disk: Disk
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def gpu_hours(self) -> float:
        """Of all stages, but for the film."""
        return sum(stage.gpu_hours for stage in self.stages if stage.name != "generate")
