"""The schema of `params.yaml`: every knob of an experiment, with type and range.

A wrong file is refused with the key, the reason and, for an unknown key, the nearest valid name.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from pvtt.errors import MissingInputError, ParamsError
from pvtt.records.base import Record

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]  # of a loss term; 0 = off, at no cost


class CrawlParams(Record):
    source: Literal["shop", "feed", "folder"] = "shop"
    start: str = "http://127.0.0.1:8765/"  # URL of a shop, path of a feed file or of a folder
    allowed_hosts: tuple[str, ...] = ("127.0.0.1",)
    allow_loopback: bool = False  # private address ranges are refused; this lets the local sample shop in
    obey_robots: bool = True
    max_video_mb: Positive = 500
    max_photo_mb: Positive = 25
    max_products: int = Field(default=100_000, ge=1)
    max_pages: int = Field(default=1_000_000, ge=1)  # a brake for shops whose links never end
    delay_s: float = Field(default=0.5, ge=0)
    concurrency: int = Field(default=8, ge=1, le=64)
    license: str | None = None  # recorded where the page names none
    max_failed_fraction: Fraction = 0.2


class ClipParams(Record):
    min_seconds: Positive = 3.0
    max_seconds: Positive = 10.0
    min_short_side: int = Field(default=720, ge=16)
    width: int = Field(default=720, ge=16, multiple_of=16)
    height: int = Field(default=480, ge=16, multiple_of=16)
    fps: Positive = 24.0
    detector: Literal["adaptive", "content"] = "adaptive"
    threshold: Positive = 3.0  # AdaptiveDetector's adaptive_threshold, or ContentDetector's threshold
    crf: int = Field(default=12, ge=0, le=51)  # of the H.264 clip
    max_failed_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _ordered(self) -> ClipParams:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds} is above max_seconds {self.max_seconds}")
        return self


class SegmentParams(Record):
    detector: Literal["u2netp", "grounding_dino"] = "u2netp"
    tracker: Literal["flow", "sam2"] = "flow"
    detector_weights: str | None = None  # local folder; u2netp needs none
    tracker_weights: str | None = None
    text: str = "product."  # Grounding DINO's prompt
    key_frame_every: int = Field(default=12, ge=1)  # frames between detections
    threshold: Fraction = 0.5
    smooth_frames: int = Field(default=3, ge=1)  # odd; temporal median
    min_component: Fraction = 0.02  # of the mask's area; smaller pieces are dropped, smaller holes filled
    min_area: Fraction = 0.03  # of the frame, mean over the clip: below is no product
    max_area: Fraction = 0.85
    max_border: Fraction = 0.35  # of the frame's border covered: the product is cut off, or it is the background
    max_products: int = Field(default=1, ge=1)
    max_failed_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _fits_together(self) -> SegmentParams:
        if self.smooth_frames % 2 == 0:
            raise ValueError(f"smooth_frames {self.smooth_frames} is even; a median needs an odd number")
        if self.detector == "grounding_dino" and self.tracker != "sam2":
            raise ValueError("detector grounding_dino finds boxes, which only tracker sam2 turns into masks")
        if self.detector == "grounding_dino" and self.detector_weights is None:
            raise ValueError("detector grounding_dino needs detector_weights, a local folder")
        if self.tracker == "sam2" and self.tracker_weights is None:
            raise ValueError("tracker sam2 needs tracker_weights, a local folder")
        return self


class PhotosParams(Record):
    size: int = Field(default=512, ge=32)
    min_photos: int = Field(default=3, ge=1)
    max_photos: int = Field(default=5, ge=1)
    duplicate_distance: int = Field(default=2, ge=0, le=64)  # pHash Hamming distance at or below which two are one
    min_area: Fraction = 0.01
    max_area: Fraction = 0.97
    margin: Fraction = 0.06  # around the product, of the size
    max_failed_fraction: Fraction = 0.2


class ValidateParams(Record):
    split_ratios: tuple[Fraction, Fraction, Fraction] = (0.8, 0.1, 0.1)  # train, val, test
    split_salt: str = "pvtt"  # another one is another split
    min_held_out: int = Field(default=5, ge=0)  # products of val, and of test, that small datasets are filled up to
    near_duplicate_distance: int = Field(default=4, ge=0, le=64)  # pHash Hamming distance of two products' photos
    min_products: int = Field(default=10, ge=1)
    max_rejected_clip_fraction: Fraction = 0.5
    max_hashed_files: int = Field(default=2000, ge=0)  # whose content is checked, of clips, masks and photos together

    @model_validator(mode="after")
    def _sum_to_one(self) -> ValidateParams:
        if abs(sum(self.split_ratios) - 1) > 1e-6:
            raise ValueError(f"split_ratios {list(self.split_ratios)} add up to {sum(self.split_ratios):g}, not 1")
        return self


class MaskParams(Record):
    """The mask contract's knobs; the contract itself is saved in every checkpoint."""

    fill: float = Field(default=0.0, ge=-1, le=1)  # of the hole, in [-1, 1] pixel values
    dilation: Fraction = 0.03  # of the frame's short side
    box_fraction: Fraction = 0.3  # of training masks that become bounding boxes
    grid_fraction: Fraction = 0.5  # of training masks that are rounded outwards to a grid of adaptive size
    shape_fraction: Fraction = 0.3  # of training masks other than boxes that get random shapes at their border

    @model_validator(mode="after")
    def _fractions_fit(self) -> MaskParams:
        if self.box_fraction + self.grid_fraction > 1:
            raise ValueError(
                f"box_fraction {self.box_fraction} and grid_fraction {self.grid_fraction} exceed 1 together"
            )
        return self


class EncodeParams(Record):
    num_frames: int = Field(default=49, ge=1)
    frame_stride: int = Field(default=1, ge=1)  # source frames a sample frame
    width: int = Field(default=720, ge=16, multiple_of=16)
    height: int = Field(default=480, ge=16, multiple_of=16)
    photo_size: int = Field(default=224, ge=16)  # what the image features see
    max_photos: int = Field(default=4, ge=1)
    image_features: Literal["vae", "clip"] = "clip"
    image_encoder: str | None = None  # local folder of Wan2.1-I2V-14B's CLIP ViT-H/14, for `clip`
    variants: int = Field(default=1, ge=1)  # of each training clip: colour change, window and mask shape
    colour_augment: bool = True  # the same colour change on video and photos, in variants after the first
    text_tokens: int = Field(default=512, ge=1)  # as the base was trained with; shorter captions are padded
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the frozen encoders' work and of the stored tensors
    mask: MaskParams = MaskParams()
    max_failed_fraction: Fraction = 0.2

    @model_validator(mode="after")
    def _legal_length(self) -> EncodeParams:
        if self.num_frames % 4 != 1:
            near = max(1, round((self.num_frames - 1) / 4) * 4 + 1)
            raise ValueError(f"num_frames {self.num_frames} is not 4n+1; the nearest legal length is {near}")
        return self


class ModelParams(Record):
    base: str = "models/wan-tiny"  # a Diffusers Wan folder
    injection: Literal["gated_cross_attention"] = "gated_cross_attention"
    num_product_tokens: int = Field(default=64, ge=1)
    encoder_layers: int = Field(default=1, ge=1)
    product_heads: int = Field(default=4, ge=1)


class LossParams(Record):
    region: Weight = 1.0  # extra weight of the product region in the velocity's squared error
    hole: Weight = 0.0  # the same for all that is generated: the rest of the frame is the template's own pixels
    temporal_difference: Weight = 0.0
    stca: Weight = 0.0  # product attention inside the mask (MotionBooth)
    preservation: Weight = 0.0  # whole-video generation without product (MotionBooth)


class StageTrainParams(Record):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    lr: Positive
    warmup_steps: int = Field(default=20, ge=0)
    min_lr_fraction: Fraction = 0.1
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: Positive = 1.0
    ema_decay: Fraction = 0.99
    checkpoint_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=100, ge=1)
    trainable: tuple[str, ...] = ()  # parameter name patterns, as the seeds declare them


class TrainParams(Record):
    precision: Literal["fp32", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: of matrices, with AdamW for the rest; not with FSDP2
    product_dropout: Fraction = 0.1  # for classifier-free guidance
    text_dropout: Fraction = 0.1
    sigma_shift: Positive = 3.0
    sigma_sampling: Literal["logit_normal", "uniform"] = "logit_normal"  # before the shift
    validation_pictures: int = Field(default=2, ge=0)  # validation samples generated and drawn at each validation
    loss: LossParams = LossParams()
    wandb: Literal["offline", "online", "disabled"] = "offline"
    stage1: StageTrainParams
    stage2: StageTrainParams


class TargetParams(Record):
    """Targets of the experiment document's section 6."""

    psnr: Positive = 25.0
    ssim: Fraction = 0.85
    lpips: Positive = 0.15
    clip_i: Fraction = 0.8
    dino: Fraction = 0.7
    fvd: Positive = 300.0


class EvaluateParams(Record):
    num_steps: int = Field(default=50, ge=1)
    batch_size: int = Field(default=4, ge=1)  # videos generated at once
    product_guidance: float = Field(default=3.0, ge=0)
    text_guidance: float = Field(default=1.0, ge=0)
    max_clips_per_split: int = Field(default=64, ge=1)
    min_n: int = Field(default=4, ge=1)  # fewer samples than this: too_few
    fvd_min_n: int = Field(default=128, ge=2)  # the same for FVD, which needs many
    bootstrap: int = Field(default=2000, ge=100)
    clip_weights: str | None = None  # local folders; missing: not measured
    dino_weights: str | None = None
    fvd_weights: str | None = None
    lpips_weights: str | None = None
    save_videos: int = Field(default=8, ge=0)  # a split, for the report and for rating
    targets: TargetParams = TargetParams()


class DecideParams(Record):
    """Targets of the seeds' sections 6 and 8.1."""

    train_psnr: Positive = 25.0
    train_clip_i: Fraction = 0.8
    test_rating: float = Field(default=3.0, ge=1, le=5)
    min_raters: int = Field(default=1, ge=1)
    max_relative_flicker: Positive = 1.5  # flow-warp error over the ground truth's own
    loss_window: Fraction = 0.2  # of the history at each end that convergence is judged on


class Params(Record):
    """The whole of `params.yaml`."""

    profile: Literal["tiny", "poc", "prod"]
    seed: int = Field(ge=0, le=2**32 - 1)
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
        raise ParamsError(
            f"{name}: " + "; ".join(faults), "correct these keys; the schema is pvtt/records/params.py"
        ) from None


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
