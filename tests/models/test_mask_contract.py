from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.errors import MissingInputError, PvttError
from pvtt.models.mask_contract import MaskContract
from pvtt.params.encode import MaskParams


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    contract = MaskContract.from_params(MaskParams(fill=0.5))
    contract.save(tmp_path)
    assert MaskContract.load(tmp_path) == contract


def test_each_difference_is_named_with_both_values() -> None:
    contract = MaskContract.from_params(MaskParams())
    contract.require_equal(contract, "itself")
    with pytest.raises(PvttError, match=r"outs/encode .*fill -1\.0, not 0\.0; dilation 0\.1, not 0\.03"):
        contract.require_equal(MaskContract.from_params(MaskParams(fill=-1.0, dilation=0.1)), "outs/encode")


def test_a_missing_or_foreign_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="not known"):
        MaskContract.load(tmp_path)
    (tmp_path / "mask_contract.json").write_text('{"schema_version": 2}')
    with pytest.raises(PvttError, match="schema_version"):
        MaskContract.load(tmp_path)
