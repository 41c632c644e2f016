"""What a dataset must hold, and how it is split."""

from __future__ import annotations

from pydantic import Field, model_validator

from pvtt.params.base import Fraction
from pvtt.records.base import Record


class ValidateParams(Record):
    split_ratios: tuple[Fraction, Fraction, Fraction] = (0.8, 0.1, 0.1)  # train, val, test
    split_salt: str = "pvtt"  # another one is another split
    min_held_out: int = Field(default=5, ge=0)  # products of val, and of test, that small datasets are filled up to
    near_duplicate_distance: int = Field(
        default=4, ge=0, le=64
    )  # photos this alike (pHash) put two products in one split
    min_products: int = Field(default=10, ge=1)  # fewer is a critical failure
    max_copied_fraction: Fraction = 0.05  # more held-out clips that copy another split's are a critical failure
    max_mask_drift: Fraction = 0.1  # Kolmogorov-Smirnov, beyond chance, of mask areas to the last committed version
    max_rejected_clip_fraction: Fraction = 0.5  # a larger share of rejected shots is a critical failure
    transfers: str = "pvtt/builtin/shop/truths"  # folder of truths of transfers between test products
    max_hashed_files: int = Field(default=2000, ge=0)  # clips, masks and photos, together, whose content is checked

    @model_validator(mode="after")
    def _sum_to_one(self) -> ValidateParams:
        if abs(sum(self.split_ratios) - 1) > 1e-6:
            raise ValueError(f"split_ratios {list(self.split_ratios)} add up to {sum(self.split_ratios):g}, not 1")
        return self
