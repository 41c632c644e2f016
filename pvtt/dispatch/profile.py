"""A Slurm profile: what jobs ask for, and the environment that they run in. One YAML file a cluster."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pvtt.errors import MissingInputError, ParamsError
from pvtt.records.base import Record, faults_of

Count = Annotated[int, Field(ge=1)]
# Handed on to sbatch as it stands; a line break would end its line in the job's script.
Option = Annotated[str | None, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]


# Keys of a profile that are about the process that waits; jobs are the same whatever they say.
WAITING = ("ask_every_s", "controller_patience_minutes", "file_system_lag_s", "gpu_watts")


class ShardResources(Record):
    """What one shard of a stage's items gets; the shards are the tasks of one job array."""

    parallel: Count = 8  # shards of a stage, which are the tasks that run at once
    partition: str | None = None  # instead of the profile's
    gpus: int = Field(default=0, ge=0)
    cpus: Count = 1
    memory_gb: Count | None = None
    minutes: Count = 240


class JobResources(Record):
    """What the one job of a stage without shards gets, as a training.

    It is `nodes` x `processes_per_node` processes, one a GPU where there are GPUs.
    """

    partition: str | None = None
    nodes: Count = 1
    gpus_per_node: int = Field(default=0, ge=0)
    processes_per_node: Count | None = None  # default: one a GPU, or one
    cpus_per_process: Count = 1
    memory_gb_per_node: Count | None = None
    minutes: Count = 1440
    exclusive: bool = False  # the whole node

    @property
    def num_processes_per_node(self) -> int:
        return self.processes_per_node or max(1, self.gpus_per_node)


class Container(Record):
    """A container that the work runs in. Its `python` must have this project's dependencies."""

    runtime: Literal["pyxis", "apptainer"]
    image: str  # pyxis: registry#name:tag or a .sqsh; apptainer: a .sif
    mounts: tuple[str, ...] = ()  # SOURCE:TARGET; the project's folder is needed at its own path
    python: str = "python"


class Requeue(Record):
    """What happens when Slurm preempts a job or its time is up: it is signalled, put back in the queue, and resumes."""

    max_timeouts: int = Field(default=0, ge=0)  # how often a job may run out of time and continue
    signal_s: int = Field(default=120, ge=1)  # seconds of notice


class SlurmProfile(Record):
    """The whole file."""

    partition: str | None = None
    account: Option = None
    qos: Option = None
    constraint: Option = None
    reservation: Option = None
    nodelist: Option = None
    exclude: Option = None
    dependency: Option = None
    comment: Option = None
    wckey: Option = None
    mail_user: Option = None
    mail_type: Option = None
    gpu_type: str | None = None  # as in Slurm's gres, for example h800
    gpu_watts: float | None = Field(
        default=None, gt=0
    )  # a GPU at work with its share of the node, for `pvtt jobs cost`
    shards: ShardResources = ShardResources()
    stages: dict[str, ShardResources] = Field(default={})  # by stage name, instead of `shards`
    run: JobResources = JobResources()
    runs: dict[str, JobResources] = Field(default={})  # by stage name, instead of `run`
    venv: str | None = None  # folder of a virtual environment that the nodes see; default: this process's Python
    container: Container | None = None
    setup: tuple[str, ...] = ()  # shell lines before the work, for example `module load cuda/12.8`
    env: dict[str, str] = Field(default={})
    requeue: Requeue = Requeue()
    file_system_lag_s: float = Field(default=15, ge=0)  # how late a node's files may appear on the submitting host
    ask_every_s: float = Field(default=30, ge=1)  # how often the controller is asked, at most
    controller_patience_minutes: float = Field(default=120, ge=0)  # how long one that does not answer is asked again

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.venv is not None and self.container is not None:
            raise ValueError("venv and container exclude each other")
        return self


def load_profile(path: Path, parts: Mapping[str, Literal["stages", "runs"] | None]) -> SlurmProfile:
    """Read and check a profile.

    Args:
        path: The YAML file.
        parts: Every stage, with the part that may name it; None: neither may.

    Raises:
        MissingInputError: There is no such file; names those beside it.
        ParamsError: It is not YAML, does not fit the schema, or names a stage that there is not, or where nothing
            would read it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        profile = SlurmProfile.model_validate_json(json.dumps(data))
    except FileNotFoundError:
        others = ", ".join(sorted(file.name for file in path.parent.glob("*.yaml"))) or "no profile"
        raise MissingInputError(f"{path} does not exist", f"{path.parent} holds {others}") from None
    except YAMLError as error:
        raise ParamsError(
            f"{path} is not YAML: {' '.join(str(error).split())}", "compare infra/slurm/h800.yaml"
        ) from None
    except ValidationError as error:
        faults = [f"{fault}{_nearest_key(fault)}" for fault in faults_of(error)]
        raise ParamsError(f"{path}: {'; '.join(faults)}", "the schema is pvtt/dispatch/profile.py") from None
    for part, named in (("stages", profile.stages), ("runs", profile.runs)):
        for name in named:
            if name not in parts:
                raise ParamsError(
                    f"{path}: {part}.{name}: there is no such stage; the nearest name is {_nearest(name, parts)}",
                    f"the stages are {', '.join(parts)}",
                )
            if parts[name] != part:
                raise _unread(path, part, name, parts[name])
    return profile


def _unread(path: Path, part: str, name: str, right: str | None) -> ParamsError:
    """The error of a stage's resources that stand where nothing reads them."""
    if right is None:
        return ParamsError(
            f"{path}: {part}.{name}: {name} has no resources of its own, so nothing would read this",
            "leave it out of the profile; what it sends besides takes `shards`",
        )
    how = "shards" if right == "stages" else "one job"
    known = ShardResources if right == "stages" else JobResources
    return ParamsError(
        f"{path}: {part}.{name}: {name} works in {how}, so nothing would read this",
        f"write {right}.{name}, with {', '.join(known.model_fields)}",
    )


def _nearest(name: str, names: Iterable[str]) -> str:
    (near,) = difflib.get_close_matches(name, list(names), n=1, cutoff=0.0)
    return near


def _nearest_key(fault: str) -> str:
    """What may have been meant by an unknown key; empty for another fault."""
    place, _, what = fault.partition(": ")
    if not what.startswith("Extra inputs"):
        return ""
    *parts, key = place.split(".")
    known = SlurmProfile.model_fields
    match parts:
        case ["shards"] | ["stages", _]:
            known = ShardResources.model_fields
        case ["run"] | ["runs", _]:
            known = JobResources.model_fields
        case ["container"]:
            known = Container.model_fields
        case ["requeue"]:
            known = Requeue.model_fields
    return f"; the nearest name is {_nearest(key, known)}"
