"""The 14B plan: its counts against the real class, and what makes it not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.params.file import Params
from pvtt.params.model import Conditioning
from pvtt.params.profiles import overlaid_params
from pvtt.promotion.plan import WAN_1_3B, WAN_14B, Architecture, Cluster, count_parameters, describe_plan, plan_training


@pytest.fixture(scope="module")
def prod(project_root: Path) -> Params:
    return overlaid_params(project_root / "params.yaml", project_root / "infra" / "profiles", "prod")


CONDITIONINGS: list[tuple[Conditioning, ...]] = [
    ("mask_channels", "reference_frames", "collage"),
    ("mask_channels", "product_tokens"),
    ("template_frames", "reference_frames"),
    ("context_blocks",),
    ("dual_encoder",),
]


@pytest.mark.parametrize("conditioning", CONDITIONINGS, ids="+".join)
@pytest.mark.parametrize(("shape", "encoder_layers"), [(WAN_1_3B, 1), (WAN_14B, 2)], ids=["1.3B", "14B"])
def test_counts_are_the_model_s_own(
    prod: Params, shape: Architecture, encoder_layers: int, conditioning: tuple[Conditioning, ...]
) -> None:
    torch = pytest.importorskip("torch")
    from pvtt.models.transformer import ProductVideoTransformer, is_product_parameter

    # As many blocks cost as much each: two tell a block's count and the rest's.
    heads = shape.dim // 128
    changes = {"conditioning": conditioning, "num_product_tokens": 64, "encoder_layers": encoder_layers}
    features = "clip_dino" if "dual_encoder" in conditioning else "vae"
    encode = prod.encode.model_copy(update={"image_features": features})
    params = prod.model_copy(update={"model": prod.model.model_copy(update=changes), "encode": encode})
    tokens = {"tokens_per_view": (params.encode.photo_size // 16) ** 2}
    if features == "clip_dino":
        tokens = {"tokens_per_view": 257, "product_dim": 1280, "dino_tokens_per_view": 257, "dino_dim": 768}
    for num_layers in (1, 2):
        with torch.device("meta"):
            model = ProductVideoTransformer(
                num_attention_heads=heads,
                attention_head_dim=128,
                ffn_dim=shape.ffn_dim,
                num_layers=num_layers,
                conditioning=conditioning,
                **tokens,
                max_views=params.encode.max_photos,
                num_product_tokens=64,
                encoder_layers=encoder_layers,
                product_heads=heads,
            )
        counts = {True: 0, False: 0}
        for name, parameter in model.named_parameters():
            counts[is_product_parameter(name)] += parameter.numel()
        short = Architecture(dim=shape.dim, ffn_dim=shape.ffn_dim, num_layers=num_layers)
        assert count_parameters(short, params) == (counts[False], counts[True])


def test_wan_s_published_sizes(prod: Params) -> None:
    assert round(count_parameters(WAN_1_3B, prod)[0] / 1e9, 2) == 1.42
    assert round(count_parameters(WAN_14B, prod)[0] / 1e9, 2) == 14.29


def test_the_prod_profile_fits_one_node_of_h800(prod: Params) -> None:
    plan = plan_training(prod)

    assert plan.faults == ()
    assert 14e9 < plan.num_parameters < 15e9
    assert 30 < plan.states_gib < 40  # 20 bytes x 14.3e9 / 8
    assert plan.memory_gib < plan.available_gib
    assert "it fits" in describe_plan(plan)


def test_what_does_not_fit_is_named(prod: Params) -> None:
    plan = plan_training(prod, cluster=Cluster(num_gpus=2), max_stage_hours=24)

    memory, *hours = plan.faults
    assert memory.endswith("GiB a GPU are needed, 79 GiB are there")
    assert [fault.split()[0] for fault in hours] == ["stage1", "stage2"]


def test_a_batch_that_cannot_be_spread_is_named(prod: Params) -> None:
    train = prod.train.model_copy(
        update={"stage2": prod.train.stage2.model_copy(update={"batch_size": 6}), "gradient_checkpointing": False}
    )

    plan = plan_training(prod.model_copy(update={"train": train}))

    assert plan.faults[0] == "train.stage2.batch_size 6 cannot be spread over 8 GPUs"
    assert "gradient_checkpointing" in plan.faults[1]


def test_more_gpus_take_less_memory_and_time(prod: Params) -> None:
    one, two = (plan_training(prod, cluster=Cluster(num_gpus=number)) for number in (4, 8))

    assert two.states_gib == pytest.approx(one.states_gib / 2)
    assert two.stage1_hours == pytest.approx(one.stage1_hours / 2)
