"""Promotion: what the lead signed off, on what evidence, and what the large run will take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from pvtt.records.base import Record
from pvtt.records.catalog import Sha256
from pvtt.records.clips import ClipRecord
from pvtt.records.decision import Verdict
from pvtt.records.evaluation import EvaluationRun
from pvtt.records.parts import Part


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

    @property
    def gpu_hours(self) -> float:
        """Of both stages, on all GPUs."""
        return self.num_gpus * (self.stage1_hours + self.stage2_hours)


class PromotedSample(ClipRecord):
    """One line of `promotions/samples/<run_id>.jsonl`: what a promoted model reached on a sample."""

    schema_version: Literal[1] = 1
    part: Part
    category: str
    inputs_sha256: Sha256  # of the sample's clip, mask, photos and template: only equal ones are compared
    metrics: dict[str, float | None]  # the model's own, and the ground truth's


class ComparedFigure(Record):
    """How far the candidate leads the champion in one metric: the mean over the samples that both were measured on.

    Positive is better, whichever way the metric itself goes.
    """

    metric: str
    part: Part
    category: str | None  # None: all
    lead: float
    low: float | None  # 95 % bootstrap interval over products; None: one product alone
    high: float | None
    num_samples: int = Field(ge=1)
    num_products: int = Field(ge=1)


class Comparison(Record):
    """The candidate beside the champion, by `pvtt.promotion.champion`."""

    champion: int | None  # the number of its promotion; None: none is in force
    says: str  # which figures were compared, or why none could be
    figures: tuple[ComparedFigure, ...] = ()
    faults: tuple[str, ...] = ()  # why the candidate is no step forward; empty: it is one


class Account(Record):
    """Who someone is, as the machine and Git know them."""

    login: str  # user@host; empty: not known, as of a commit's author
    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>{f' ({self.login})' if self.login else ''}"


class Evidence(Record):
    """What was evaluated, what this checkout holds, and what came of computing it once more."""

    verdict: Verdict
    profile: str  # of the run's params
    run_id: str
    evaluated_run_id: str  # of outs/evaluate: another if the decision is about an older evaluation
    commit: str
    data_version: str  # data.dvc's hash
    evaluated_data_version: str  # the data that dvc.lock's first stage ran on
    metrics_sha256: Sha256  # over metrics/
    uncommitted: tuple[str, ...]  # files that differ from the commit
    stale: tuple[str, ...]  # stages whose results are not those of this commit's code, params and data
    unmeasured: tuple[str, ...]  # criteria without a value, a phrase each
    lowered_targets: tuple[str, ...]  # easier than the experiment document's, a phrase each
    contradictions: tuple[str, ...]  # recorded figures that are not what was computed again
    audited: tuple[str, ...]  # samples that were measured again, from kept films, clips and photos
    measured_again: tuple[str, ...] = ()  # metrics of these samples
    not_measured_again: tuple[str, ...] = ()  # metrics that nothing is kept of
    submitters: tuple[Account, ...]  # who committed the results
    comparison: Comparison


Outcome = Literal["approved", "refused", "rolled_back"]


class SignOff(Record):
    """A person's decision."""

    outcome: Outcome
    person: str = Field(min_length=1)  # as they say
    account: Account | None  # who answered; None: on the run's page, which knows nobody
    reason: str = Field(min_length=1)
    decided_at: str  # ISO 8601, UTC
    flow_run: str | None  # of Prefect: where it was asked and answered; None: nobody was asked
    signed: bool  # its commit is signed; False: no Git signing key was set
    draw: str | None = None  # which samples' films were measured again after an approval; made up with it


class Entry(Record):
    """One line of `promotions/promotions.jsonl`: append-only, each line carrying the hash of the one before."""

    schema_version: Literal[3] = 3
    number: int = Field(ge=1)
    previous: Sha256  # of the line before, without its newline; of nothing: zeros
    sign_off: SignOff


class Promotion(Entry):
    """A run that was approved or refused."""

    kind: Literal["promotion"] = "promotion"
    run: EvaluationRun
    transformer_sha256: Sha256  # of the evaluated model's transformer, by which it is known as a champion
    samples_sha256: Sha256 | None  # of its file in promotions/samples; None: refused
    evidence: Evidence
    plan: TrainingPlan
    command: str  # that starts the run


class Rollback(Entry):
    """A promotion that no longer counts."""

    kind: Literal["rollback"] = "rollback"
    withdraws: int = Field(ge=1)  # its number


class PromotionLine(RootModel[Annotated[Promotion | Rollback, Field(discriminator="kind")]]):
    """Either, as a line is read."""
