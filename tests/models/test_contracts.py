from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.errors import MissingInputError, PvttError
from pvtt.models.contracts import Contracts, CropContract, MaskContract
from pvtt.params.encode import CropParams, EncodeParams, MaskParams


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    contracts = Contracts.from_params(EncodeParams(mask=MaskParams(fill=0.5), crop=CropParams(fill=0.5), width=240))
    contracts.save(tmp_path)
    assert Contracts.load(tmp_path) == contracts
    assert (contracts.mask.fill, contracts.crop.fill, contracts.crop.width) == (0.5, 0.5, 240)


def test_each_difference_is_named_with_both_values() -> None:
    contracts = Contracts.from_params(EncodeParams())
    contracts.require_equal(contracts, "itself")
    other = EncodeParams(mask=MaskParams(fill=-1.0, dilation=0.1))
    with pytest.raises(PvttError, match=r"masks of outs/encode .*fill -1\.0, not 0\.0; dilation 0\.1, not 0\.03"):
        contracts.require_equal(Contracts.from_params(other), "outs/encode")
    other = EncodeParams(width=240, crop=CropParams(follow=False))
    with pytest.raises(PvttError, match=r"crops of outs/encode .*width 240, not 720; follow False, not True"):
        contracts.require_equal(Contracts.from_params(other), "outs/encode")


def test_a_missing_or_foreign_file_says_what_to_do(tmp_path: Path) -> None:
    for contract in (MaskContract, CropContract):
        with pytest.raises(MissingInputError, match="not known"):
            contract.load(tmp_path)
        (tmp_path / contract.FILE).write_text('{"schema_version": 2}')
        with pytest.raises(PvttError, match="schema_version"):
            contract.load(tmp_path)
