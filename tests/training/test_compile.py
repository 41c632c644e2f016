"""The compiled blocks: one graph without a break, and the eager model's numbers.

`tests/benchmarks/test_compile.py` trains with them, which takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from pvtt.errors import ParamsError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.training.runtime import compile_blocks
from tests.tiny_wan import TEXT_DIM, opened, tiny_transformer


@pytest.fixture(autouse=True)
def _nothing_compiled_before() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def inputs(batch_size: int) -> dict[str, Any]:
    """What the default conditioning reads."""
    torch.manual_seed(batch_size)
    mask = torch.rand(batch_size, 4, 3, 4, 6)
    latents = torch.randn(3, batch_size, 16, 3, 4, 6)
    conditions = Conditions(
        mask=mask,
        masked_latents=latents[1],
        photo_latents=torch.randn(batch_size, 2, 16, 4, 4),
        view_mask=torch.ones(batch_size, 2, dtype=torch.bool),
        text=torch.randn(batch_size, 5, TEXT_DIM),
        collage_latents=latents[2],
        collage_mask=mask.roll(1, -1),
    )
    return {
        "hidden_states": latents[0],
        "timestep": torch.linspace(900, 100, batch_size),
        "conditions": conditions,
    }


def default_model() -> ProductVideoTransformer:
    return opened(ProductVideoTransformer.from_base(tiny_transformer(), product_heads=2)).train()


def velocity_and_gradients(model: ProductVideoTransformer, given: dict[str, Any]) -> dict[str, Tensor]:
    model.zero_grad()
    velocity: Tensor = model(**given).sample
    velocity.square().mean().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"velocity": velocity.detach(), **gradients}


def compiled_model(counter: CompileCounterWithBackend) -> ProductVideoTransformer:
    model = default_model()
    model.compile_repeated_blocks(backend=counter, dynamic=False, fullgraph=True)
    return model


@pytest.mark.parametrize("checkpointing", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_all_blocks_are_one_graph_with_the_eager_models_numbers(checkpointing: bool) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    eager, compiled = default_model(), compiled_model(counter)
    if checkpointing:
        compiled.enable_gradient_checkpointing()
    assert list(compiled.state_dict()) == list(eager.state_dict())
    assert len(compiled.blocks) > 1
    for scale in (1, 2):
        given = inputs(2)
        given["hidden_states"] = given["hidden_states"] * scale
        expected, got = velocity_and_gradients(eager, given), velocity_and_gradients(compiled, given)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert counter.frame_count == 1


@pytest.mark.proof
@torch.no_grad()
def test_held_out_samples_and_pictures_are_a_graph_each() -> None:
    counter = CompileCounterWithBackend("aot_eager")
    eager, compiled = default_model().eval(), compiled_model(counter).eval()
    given = inputs(2)
    memory = eager.remember(given["conditions"])  # as sampling has it
    for _ in range(2):
        torch.testing.assert_close(compiled(**given).sample, eager(**given).sample)
        torch.testing.assert_close(compiled(**given, memory=memory).sample, eager(**given, memory=memory).sample)
    assert counter.frame_count == 2


def test_a_machine_without_a_compiler_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(ParamsError, match=r"torch compiles nothing for cpu .*no-such-compiler") as raised:
        compile_blocks(default_model(), torch.device("cpu"))
    assert "set train.compile: false" in str(raised.value.hint)
    assert "\n" not in raised.value.message
