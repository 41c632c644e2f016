"""Promotion: what the lead signed off, on what evidence, and what the large run will take."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record
from pvtt.records.catalog import Sha256
from pvtt.records.decision import Verdict


class TrainingPlan(Record):
    """What training at a profile's scale takes, from `pvtt.promotion.plan`. Memory in GiB a GPU."""

    profile: str
    num_gpus: int = Field(ge=1)
    num_parameters: int  # of the transformer, the product's parts included
    num_product_parameters: int
    states_gib: float  # weights, gradients, optimizer and EMA of the fully trained model, sharded over the GPUs
    activations_gib: float  # one sample a GPU, gradient checkpointing
    gathered_gib: float  # blocks whose weights and gradients are whole while they are computed
    reserve_gib: float  # CUDA, NCCL and the allocator
    available_gib: float
    stage1_hours: float  # at the assumed share of the GPUs' peak
    stage2_hours: float
    max_stage_hours: float  # that a job may take
    faults: tuple[str, ...]  # why it doesn't fit; empty: it fits

    @property
    def memory_gib(self) -> float:
        """The peak of one GPU."""
        return self.states_gib + self.activations_gib + self.gathered_gib + self.reserve_gib


class Evidence(Record):
    """What was evaluated, and what this checkout holds."""

    verdict: Verdict
    run_id: str
    evaluated_run_id: str  # of outs/evaluate: another if the decision is about an older evaluation
    commit: str
    data_version: str  # data.dvc's hash
    evaluated_data_version: str  # the data that dvc.lock's first stage ran on
    metrics_sha256: Sha256  # over metrics/
    uncommitted: tuple[str, ...]  # files that differ from the commit
    stale: tuple[str, ...]  # stages whose results are not those of this commit's code, params and data


class SignOff(Record):
    """A person's decision."""

    outcome: Literal["approved", "refused"]
    person: str = Field(min_length=1)  # as they say
    account: str = Field(min_length=1)  # as the machine and Git know who recorded it
    reason: str = Field(min_length=1)
    decided_at: str  # ISO 8601, UTC
    flow_run: str  # of Prefect: where it was asked and answered


class Promotion(Record):
    """One line of `promotions/promotions.jsonl`: append-only, each line carrying the hash of the one before."""

    schema_version: Literal[2] = 2
    number: int = Field(ge=1)
    previous: Sha256  # of the line before, without its newline; of nothing: zeros
    sign_off: SignOff
    evidence: Evidence
    plan: TrainingPlan
    command: str  # that starts the run
