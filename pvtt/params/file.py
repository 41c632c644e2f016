"""`params.yaml`: the whole schema, read and checked.

A wrong file is refused with the key, the reason and, for an unknown key, the nearest valid name.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from pvtt.errors import MissingInputError, ParamsError
from pvtt.params.clip import ClipParams
from pvtt.params.crawl import CrawlParams
from pvtt.params.decide import DecideParams
from pvtt.params.encode import EncodeParams
from pvtt.params.evaluate import EvaluateParams
from pvtt.params.model import ModelParams
from pvtt.params.photos import PhotosParams
from pvtt.params.promote import PromoteParams
from pvtt.params.segment import SegmentParams
from pvtt.params.train import TrainParams
from pvtt.params.validate import ValidateParams
from pvtt.records.base import Record


class Params(Record):
    """The whole of `params.yaml`."""

    profile: Literal["tiny", "poc", "prod"]  # `pvtt params --profile NAME` sets it with all that it changes
    seed: int = Field(ge=0, le=2**32 - 1)  # of every random draw
    crawl: CrawlParams
    clip: ClipParams
    segment: SegmentParams
    photos: PhotosParams
    validate_: ValidateParams = Field(alias="validate")
    encode: EncodeParams
    model: ModelParams
    train: TrainParams
    evaluate: EvaluateParams
    decide: DecideParams
    promote: PromoteParams = PromoteParams()

    @model_validator(mode="after")
    def _two_networks_are_there(self) -> Params:
        if "dual_encoder" in self.model.conditioning and self.encode.image_features != "clip_dino":
            raise ValueError("model.conditioning has dual_encoder, which needs encode.image_features: clip_dino")
        return self

    @model_validator(mode="after")
    def _context_has_vaces_hole(self) -> Params:
        if "context_blocks" in self.model.conditioning and self.encode.mask.fill != 0:
            raise ValueError(
                f"encode.mask.fill is {self.encode.mask.fill}, and VACE (model.conditioning: context_blocks) knows "
                "holes of 0"
            )
        return self


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        MissingInputError: There is no such file.
        ParamsError: It is not YAML, or does not fit the schema; names every wrong key, why, and the nearest valid name.
    """
    from ruamel.yaml import YAML  # YAML 1.2, as DVC: 3e-5 is a number
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInputError(
            f"{path} does not exist", "run inside the project's folder, or restore it with `git checkout params.yaml`"
        ) from None
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        where = str(error).replace("\n", " ")
        raise ParamsError(f"{path} is not YAML: {where}", "restore it with `git checkout params.yaml`") from None
    return parse_params(data, str(path))


def parse_params(data: Any, name: str = "params.yaml") -> Params:
    """Check a parsed `params.yaml`. Raises `ParamsError`, as `load_params`."""
    try:
        return Params.model_validate_json(json.dumps(data))  # JSON mode: strict types, and lists for tuples
    except ValidationError as error:
        faults = [_explain(data, fault) for fault in error.errors()]
        raise ParamsError(f"{name}: " + "; ".join(faults), "correct these keys; the schema is pvtt/params/") from None


def _explain(data: Any, fault: Any) -> str:
    location = [str(part) for part in fault["loc"]]
    key = ".".join(location)
    if fault["type"] == "extra_forbidden":
        valid = _field_names(location[:-1])
        near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.0)
        return f"{key}: unknown key; the nearest valid name is {'.'.join([*location[:-1], *near])}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    value = data
    for part in fault["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    shown = "" if isinstance(value, dict) else f", got {value!r}"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}{shown}"


def _field_names(location: list[str]) -> list[str]:
    """The valid keys of a section, by the aliases that the file uses."""
    model: type[BaseModel] = Params
    for part in location:
        for field_name, field in model.model_fields.items():
            if part == (field.alias or field_name):
                annotation = field.annotation
                if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
                    annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
                assert isinstance(annotation, type)
                assert issubclass(annotation, BaseModel)
                model = annotation
    return [field.alias or field_name for field_name, field in model.model_fields.items()]
