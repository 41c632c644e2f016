"""The mask contract: what a checkpoint takes a mask to mean, saved beside its weights and enforced at inference.

Each of its fields has bitten users of public systems: polarity is reversed between VACE and Wan's I2V, holes filled
with one value in training and another at inference, models trained on outlines that fail on boxes, and the old
product's contour leaking through an undilated mask.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_write_text
from pvtt.params.encode import MaskParams
from pvtt.records.base import Record, parse_record

MASK_CONTRACT_FILE = "mask_contract.json"


class MaskContract(Record):
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
    """

    schema_version: Literal[1] = 1
    polarity: Literal["one_is_generated"] = "one_is_generated"
    fill: float
    packing: Literal["wan_i2v_max"] = "wan_i2v_max"
    dilation: float
    box_fraction: float
    grid_fraction: float
    shape_fraction: float

    @classmethod
    def from_params(cls, params: MaskParams) -> Self:
        """The contract of samples encoded with these params."""
        return cls(**params.model_dump())

    def save(self, folder: Path) -> None:
        """Write `mask_contract.json` into a folder."""
        atomic_write_text(folder / MASK_CONTRACT_FILE, self.to_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder's contract.

        Raises:
            MissingInputError: There is none.
            PvttError: It is not one that this version understands.
        """
        path = folder / MASK_CONTRACT_FILE
        if not path.is_file():
            raise MissingInputError(
                f"{folder} has no {MASK_CONTRACT_FILE}: what its masks mean is not known",
                "use a folder written by `pvtt train_stage1`, `pvtt train_stage2` or `pvtt encode`",
            )
        return parse_record(
            cls, path.read_bytes(), path, "it was written by another version of pvtt: use that one, or train again"
        )

    def require_equal(self, other: MaskContract, name: str) -> None:
        """Refuse masks that were made by other rules.

        Args:
            other: The rules of the masks at hand.
            name: Where they come from, for the message.

        Raises:
            PvttError: They differ; names each field with both values.
        """
        mine, theirs = self.model_dump(), other.model_dump()
        differing = [f"{key} {theirs[key]!r}, not {mine[key]!r}" for key in mine if mine[key] != theirs[key]]
        if differing:
            raise PvttError(
                f"the masks of {name} do not fit the checkpoint's mask contract: {'; '.join(differing)}",
                "set encode.mask in params.yaml to the checkpoint's values, or train a checkpoint with these",
            )
