"""From a 1.3B run's params to those of the 14B run that it is promoted to.

What was tried on 1.3B is kept: losses, conditioning, learning rates, data, guidance, targets. Only what the larger base
asks for is changed, a line of `MAPPING` each. For the params of profile poc as they are committed, that gives profile
prod; a test holds them equal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from pvtt.errors import GateShutError
from pvtt.files.git import committed_bytes
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params, parse_params
from pvtt.params.profiles import set_values
from pvtt.promotion.ledger import in_force, read_promotions


@dataclass(frozen=True)
class Change:
    """One key that the 14B run has otherwise.

    Args:
        key: Of params.yaml.
        value: `set`: this one; `at_least`: the run's, or this one if it is larger; `times`: the run's, so many times.
        how: Which of the three.
        why: For a person.
    """

    key: str
    value: Any
    how: Literal["set", "at_least", "times"]
    why: str


GPUS = 8  # of one node
MAPPING = (
    Change("profile", "prod", "set", "what the params are of"),
    Change("model.base", "models/wan2.1-t2v-14b", "set", "the base"),
    Change("model.champion", "models/wan2.1-t2v-14b", "set", "no 14B model has been promoted yet"),
    Change("train.start", "base", "set", "a 1.3B model's weights do not fit 14B"),
    Change("model.product_heads", 40, "set", "as many as the base's own attention has"),
    Change("model.num_product_tokens", 256, "at_least", "room for detail that the wider base can draw"),
    Change("validate.min_products", 1000, "at_least", "the data that a run of this price asks for"),
    Change("train.gradient_checkpointing", True, "set", "14B's activations fit in no other way"),
    Change("train.stage1.steps", 2, "times", "a larger model on more data"),
    Change("train.stage2.steps", 2, "times", "the same"),
    Change("train.stage1.batch_size", GPUS, "at_least", "FSDP2 on one node: a sample a GPU"),
    Change("train.stage2.batch_size", GPUS, "at_least", "the same"),
)


def promoted_params(params: Params) -> Params:
    """The 14B run's params.

    Raises:
        ParamsError: They do not fit the schema.
    """
    return parse_params(_changed(json.loads(params.model_dump_json(by_alias=True))), "params of the 14B run")


def changes(params: Params) -> dict[str, tuple[Any, Any]]:
    """Keys that the 14B run has otherwise: what the run had, and what it becomes."""
    before = json.loads(params.model_dump_json(by_alias=True))
    after = _changed(json.loads(params.model_dump_json(by_alias=True)))
    pairs = {change.key: (_find(before, change.key), _find(after, change.key)) for change in MAPPING}
    return {key: (one, other) for key, (one, other) in pairs.items() if one != other}


def describe_changes(params: Params) -> str:
    """The same as lines for a person, with the reasons."""
    changed = changes(params)
    lines = [
        f"  {one.key}: {changed[one.key][0]} → {changed[one.key][1]}  ({one.why})"
        for one in MAPPING
        if one.key in changed
    ]
    return "\n".join(["the 14B run has this run's params, but for:", *lines])


def write_promoted_params(workspace: Workspace) -> Params:
    """Turn params.yaml into that of the 14B run.

    Raises:
        GateShutError: No promotion is in force, or params.yaml is not that of the promoted run.
    """
    promotion = in_force(read_promotions(workspace.root))
    if promotion is None:
        raise GateShutError("no promotion is in force", "a run is promoted with `python -m flows.promote`")
    name, commit = workspace.params_file.name, promotion.evidence.commit
    if committed_bytes(workspace.root, name, commit) != workspace.params_file.read_bytes():
        raise GateShutError(
            f"{name} is not that of run {promotion.run.run_id}, which was promoted",
            f"take it from its commit: `git checkout {commit[:12]} -- {name}`",
        )
    values = changes(load_params(workspace.params_file))
    return set_values(workspace.params_file, {key: after for key, (_, after) in values.items()})


def _find(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data[part]
    return data


def _changed(data: dict[str, Any]) -> dict[str, Any]:
    for change in MAPPING:
        folder, _, name = change.key.rpartition(".")
        section = _find(data, folder) if folder else data
        match change.how:
            case "set":
                section[name] = change.value
            case "at_least":
                section[name] = max(section[name], change.value)
            case "times":
                section[name] *= change.value
    return data
