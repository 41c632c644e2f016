from __future__ import annotations

import pytest

from pvtt.errors import ParamsError
from pvtt.models.transformer import ProductVideoTransformer, is_product_parameter
from pvtt.training.parameters import assert_trainable, declare_trainable, match_parameters, shorten
from tests.tiny_wan import tiny_transformer
from tests.training.samples import ADAPTER

KEY = "train.stage1.trainable"


@pytest.fixture
def model() -> ProductVideoTransformer:
    return ProductVideoTransformer.from_base(
        tiny_transformer(),
        conditioning=["mask_channels", "reference_frames", "product_tokens"],
        tokens_per_view=9,
        num_product_tokens=6,
        product_heads=2,
    )


def test_exactly_the_declared_parameters_require_gradients(model: ProductVideoTransformer) -> None:
    names = declare_trainable(model, ADAPTER, KEY)
    assert names == [name for name, _ in model.named_parameters() if is_product_parameter(name)]
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == names


def test_a_module_stands_for_all_in_it_as_in_the_experiment_document(model: ProductVideoTransformer) -> None:
    names = [name for name, _ in model.named_parameters()]
    assert match_parameters(names, ["blocks.*.parts.product_tokens.cross_attn"], KEY) == [
        n for n in names if ".cross_attn." in n and n.startswith("blocks.")
    ]
    view = "parts.reference_frames.view_embedding"
    assert match_parameters(names, [view], KEY) == [view]


def test_a_pattern_that_matches_nothing_names_the_nearest(model: ProductVideoTransformer) -> None:
    with pytest.raises(ParamsError) as error:
        declare_trainable(model, ["parts.*", "blocks.*.parts.*.gates"], KEY)
    assert "'blocks.*.parts.*.gates' matches no parameter" in error.value.message
    assert "blocks.*.parts.product_tokens.gate" in error.value.message
    assert KEY in error.value.message


def test_no_pattern_is_an_error(model: ProductVideoTransformer) -> None:
    with pytest.raises(ParamsError, match="nothing would be trained"):
        declare_trainable(model, [], KEY)


def test_the_assertion_sees_a_parameter_too_many(model: ProductVideoTransformer) -> None:
    names = declare_trainable(model, ADAPTER, KEY)
    model.proj_out.bias.requires_grad_(True)
    with pytest.raises(AssertionError, match=r"proj_out\.bias"):
        assert_trainable(model, names)


def test_the_summary_folds_blocks_and_biases() -> None:
    names = ["blocks.0.a.weight", "blocks.0.a.bias", "blocks.1.a.weight", "blocks.1.a.bias", "gate"]
    assert shorten(names).split() == ["blocks.*.a.{weight,bias},", "gate"]
