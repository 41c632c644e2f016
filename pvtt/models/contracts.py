"""Contracts: what a checkpoint takes its inputs to be, saved beside its weights and enforced at inference.

Each field of the mask contract has bitten users of public systems: polarity is reversed between VACE and Wan's I2V,
holes filled with one value in training and another at inference, models trained on outlines that fail on boxes, and
the old product's contour leaking through an undilated mask. The crop contract says how large the product was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_write_text
from pvtt.params.encode import EncodeParams
from pvtt.records.base import Record, parse_record


class Contract(Record):
    """A contract in a file of a model's folder, or of `outs/encode`."""

    FILE: ClassVar[str]
    OF: ClassVar[str]  # what it is about
    PARAMS: ClassVar[str]  # where in params.yaml its values are

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        atomic_write_text(folder / self.FILE, self.to_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder's contract.

        Raises:
            MissingInputError: There is none.
            PvttError: It is not one that this version understands.
        """
        path = folder / cls.FILE
        if not path.is_file():
            raise MissingInputError(
                f"{folder} has no {cls.FILE}: what its {cls.OF} mean is not known",
                "use a folder written by `pvtt train_stage1`, `pvtt train_stage2` or `pvtt encode`",
            )
        return parse_record(
            cls, path.read_bytes(), path, "it was written by another version of pvtt: use that one, or train again"
        )

    def require_equal(self, other: Contract, name: str) -> None:
        """Refuse inputs that were made by other rules.

        Args:
            other: The rules of the inputs at hand.
            name: Where they come from, for the message.

        Raises:
            PvttError: They differ; names each field with both values.
        """
        mine, theirs = self.model_dump(), other.model_dump()
        differing = [f"{key} {theirs[key]!r}, not {mine[key]!r}" for key in mine if mine[key] != theirs[key]]
        if differing:
            raise PvttError(
                f"the {self.OF} of {name} do not fit the checkpoint's contract: {'; '.join(differing)}",
                f"set {self.PARAMS} in params.yaml to the checkpoint's values, or train a checkpoint with these",
            )


class MaskContract(Contract):
    """How masks were made in training.

    Args:
        polarity: 1 marks what is generated, 0 what is kept.
        fill: Of the hole in the masked video, in pixel values of [-1, 1].
        packing: `wan_i2v_max`: a latent frame's 4 channels are its own 4 source frames' masks (the first frame's four
            times), and a latent cell is 1 where any of its 8×8 pixels is.
        dilation: Of the product's mask, as a fraction of the frame's short side.
        box_fraction: Of the masks that were the product's bounding box.
        grid_fraction: Of the masks that were rounded outwards to a grid.
        shape_fraction: Of the masks other than boxes that had random shapes added at their border.
        gap_fraction: Of the masks that had room for another category's product.
    """

    FILE = "mask_contract.json"
    OF = "masks"
    PARAMS = "encode.mask"

    schema_version: Literal[1] = 1
    polarity: Literal["one_is_generated"] = "one_is_generated"
    fill: float
    packing: Literal["wan_i2v_max"] = "wan_i2v_max"
    dilation: float
    box_fraction: float
    grid_fraction: float
    shape_fraction: float
    gap_fraction: float = 0.0

    @classmethod
    def from_params(cls, params: EncodeParams) -> Self:
        """The contract of samples encoded with these params."""
        return cls(**params.mask.model_dump())


class CropContract(Contract):
    """How windows were cut out of clips in training.

    Args:
        width, height: Of a window, in pixels.
        follow: Whether it follows the product, or is the whole frame.
        fill: Share of the window that the product's bounding box covers in evaluation.
        min_fill, max_fill: The same in training.
        shift: How far the product stood from the middle in training, as a share of the room there.
    """

    FILE = "crop_contract.json"
    OF = "crops"
    PARAMS = "encode.crop, encode.width and encode.height"

    schema_version: Literal[1] = 1
    width: int
    height: int
    follow: bool
    fill: float
    min_fill: float
    max_fill: float
    shift: float

    @classmethod
    def from_params(cls, params: EncodeParams) -> Self:
        """The contract of samples encoded with these params."""
        return cls(width=params.width, height=params.height, **params.crop.model_dump())


@dataclass(frozen=True)
class Contracts:
    """All contracts of a checkpoint, or of encoded samples."""

    mask: MaskContract
    crop: CropContract

    @classmethod
    def from_params(cls, params: EncodeParams) -> Self:
        """Those of samples encoded with these params."""
        return cls(MaskContract.from_params(params), CropContract.from_params(params))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Those of a folder. Raises as `Contract.load`."""
        return cls(MaskContract.load(folder), CropContract.load(folder))

    def save(self, folder: Path) -> None:
        """Write them into a folder, a file each."""
        self.mask.save(folder)
        self.crop.save(folder)

    def require_equal(self, other: Contracts, name: str) -> None:
        """Refuse inputs that were made by other rules. Arguments and errors as of `Contract.require_equal`."""
        self.mask.require_equal(other.mask, name)
        self.crop.require_equal(other.crop, name)
