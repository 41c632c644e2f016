"""What a person chooses for an ad, and what a model's folder says of the windows that it was trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from pvtt.errors import MissingInputError, PvttError
from pvtt.models.contracts import Contracts
from pvtt.models.loading import require_pipeline
from pvtt.records.base import Record, first_fault

RATIO = re.compile(r"0*[1-9]\d{0,3}(\.\d{1,4})?:0*[1-9]\d{0,3}(\.\d{1,4})?")
TRAINED_WITH = Path("training") / "params.yaml"  # in a champion's folder: the params of the run that made it
NUM_FRAMES = 5  # of a window, where a model's folder does not tell; the least that goes on from a known frame
NUM_STEPS = 20
PRODUCT_GUIDANCE = 1.5
TEXT_GUIDANCE = 1.0
STRENGTH = 1.0
PREVIEW_STEPS = 2


class AdSettings(Record):
    """What is chosen for one ad; None leaves it to the model's folder."""

    prompt: str = ""
    seed: int = Field(default=0, ge=0)
    steps: int | None = Field(default=None, ge=1)  # of the sampler
    product_guidance: float | None = Field(default=None, ge=0, allow_inf_nan=False)  # 1 takes the photos as they are
    text_guidance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    strength: float | None = Field(default=None, gt=0, le=1)  # noise to start from; below 1 the photo pasted in gets it
    frames: int | None = Field(default=None, ge=5)  # of a window, 4n+1
    shots: tuple[int, ...] | None = None  # numbers from 1: which to generate in; None: those that show the product
    box: tuple[int, int, int, int] | None = None  # x, y, width, height of the product in a shot's first frame
    point: tuple[int, int] | None = None  # x, y of any place on the product there
    aspect: str | None = None  # of the ad as seen, such as 9:16; None: the template's

    @field_validator("frames")
    @classmethod
    def _legal(cls, frames: int | None) -> int | None:
        if frames is not None and frames % 4 != 1:
            raise ValueError(f"{frames} frames is not 4n+1")
        return frames

    @field_validator("aspect")
    @classmethod
    def _ratio(cls, aspect: str | None) -> str | None:
        if aspect is not None and not RATIO.fullmatch(aspect):
            raise ValueError(f"{aspect!r} is no ratio of width to height such as 9:16")
        return aspect

    @property
    def ratio(self) -> Fraction | None:
        """Width over height of the ad."""
        if self.aspect is None:
            return None
        width, height = self.aspect.split(":")
        return Fraction(width) / Fraction(height)

    @property
    def arguments(self) -> dict[str, Any]:
        """The same for `generate`, by the names that it has for them."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {"guidance" if name == "product_guidance" else name: value for name, value in values.items()}


def chosen_settings(**values: Any) -> AdSettings:
    """Settings that a person has given, by the names of `AdSettings`. Raises `PvttError` where one is out of range."""
    try:
        return AdSettings(**values)
    except ValidationError as error:
        raise PvttError(f"wrong setting: {first_fault(error)}", "see `pvtt generate --help`") from None


@dataclass(frozen=True)
class ModelFormat:
    """What a model's folder says of itself, read without loading the model.

    Args:
        folder: The model's.
        contracts: What masks and crops mean to it.
        num_frames: Of a window, 4n+1.
        steps: Of the sampler.
        product_guidance: 1 takes the photos as they are.
        text_guidance: The same for the prompt.
        strength: Noise level to start from; below 1 the photo pasted in gets it.
    """

    folder: Path
    contracts: Contracts
    num_frames: int
    steps: int
    product_guidance: float
    text_guidance: float
    strength: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a window in pixels."""
        return self.contracts.crop.width, self.contracts.crop.height


def read_model_format(folder: Path, settings: AdSettings) -> ModelFormat:
    """What windows a model takes, and how it is sampled where the settings leave that open.

    Length and sampling are those of `training/params.yaml` in the model's folder where it has one, as a champion has.

    Raises:
        MissingInputError: There is no whole model in the folder.
        PvttError: One of its files is damaged.
    """
    if not folder.is_dir():
        raise MissingInputError(
            f"the model folder {folder} does not exist",
            "give --model a folder that a training wrote, such as outs/train_stage2/model, or leave it out",
        )
    require_pipeline(folder)
    trained = _trained_with(folder / TRAINED_WITH)
    encode, evaluate = trained.get("encode") or {}, trained.get("evaluate") or {}
    return ModelFormat(
        folder=folder,
        contracts=Contracts.load(folder),
        num_frames=settings.frames or max(NUM_FRAMES, int(encode.get("num_frames", NUM_FRAMES))),
        steps=settings.steps or int(evaluate.get("num_steps", NUM_STEPS)),
        product_guidance=_chosen(settings.product_guidance, evaluate.get("product_guidance"), PRODUCT_GUIDANCE),
        text_guidance=_chosen(settings.text_guidance, evaluate.get("text_guidance"), TEXT_GUIDANCE),
        strength=_chosen(settings.strength, evaluate.get("strength"), STRENGTH),
    )


def _chosen(setting: float | None, trained: float | None, default: float) -> float:
    return next(value for value in (setting, trained, default) if value is not None)


def _trained_with(path: Path) -> dict[str, Any]:
    """The params of the run that made a model, unchecked: they may be of an earlier version; none without a file."""
    if not path.is_file():
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe").load(path)
    except YAMLError:
        raise PvttError(f"{path} is not YAML", "fetch the model's folder again, or remove this file") from None
    return values if isinstance(values, dict) else {}
