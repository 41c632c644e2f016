"""What is computed in float32 and what in bfloat16, the same in one process and in several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.files.workspace import Workspace
from pvtt.stages import train_stage1
from pvtt.training.loop import Training
from tests.training.ranks import train_together
from tests.training.samples import tiny_params

FP32 = (
    "condition_embedder.timesteps_proj",
    "condition_embedder.time_embedder",
    "condition_embedder.time_proj",
    "blocks.0",  # modulation, cosines and sines
    "blocks.0.norm1",
    "blocks.0.norm3",
    "norm_out",
)
BF16 = ("blocks.0.attn1.to_q", "blocks.0.attn1.to_out.0", "blocks.0.ffn.net.0.proj", "blocks.0.attn2.to_k", "proj_out")


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for part in value for tensor in tensors_in(part)] if isinstance(value, list | tuple) else []


def record(into: Path | None) -> None:
    """Write the types that the modules of the first step take and give, and those of gradients."""
    step = Training.train_step

    def recorded(self: Training) -> dict[str, float]:
        seen: dict[str, list[str]] = {}
        values: dict[str, float] = {}

        def hook(name: str) -> Any:
            def seen_there(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
                # The block's patches and text are of the type of what made them.
                given = tensors_in(args[2:4] if name == "blocks.0" else args) + tensors_in(list(kwargs.values()))
                made = [] if name == "blocks.0" else tensors_in(output)
                seen[name] = [str(tensor.dtype) for tensor in (*given, *made)]
                if name.endswith("timesteps_proj"):
                    values.setdefault("timestep", float(given[0].max()))

            return seen_there

        handles = [
            module.register_forward_hook(hook(name), with_kwargs=True)
            for name, module in self.transformer.named_modules()
            if name in FP32 + BF16
        ]
        row = step(self)
        for handle in handles:
            handle.remove()
        seen["weights"] = sorted({str(parameter.dtype) for parameter in self.trainable})
        seen["ema"] = sorted({str(shadow.dtype) for shadow in self.ema.shadow_params})
        moments = [value for entry in self.optimizer.state.values() for value in entry.values()]
        seen["moments"] = sorted({str(moment.dtype) for moment in moments})
        if into is not None and self.step == 1:
            into.write_text(json.dumps({"types": seen, "values": values}))
        return row

    Training.train_step = recorded  # type: ignore[method-assign]


def test_types_are_the_same_in_one_process_and_in_shards(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = {"batch_size": 2, "gradient_accumulation": 2, "trainable": ["*"]}
    params = tiny_params(1, stage, precision="bf16", optimizer="adamw")
    monkeypatch.setattr(Training, "train_step", Training.train_step)  # as it was, afterwards
    record(workspace.root / "alone.json")
    train_stage1.run(workspace, params, InlineDispatcher())
    monkeypatch.undo()
    together = tiny_params(
        1, stage | {"batch_size": 4, "gradient_accumulation": 1}, precision="bf16", optimizer="adamw"
    )

    reduced: set[torch.dtype] = set()

    def work(rank: int) -> None:
        scatter = torch.distributed.reduce_scatter_single

        def watched(**given: Any) -> Any:
            reduced.add(given["input"].dtype)
            return scatter(**given)

        torch.distributed.reduce_scatter_single = watched
        record(workspace.root / f"shard-{rank}.json")
        train_stage1.run(workspace, together, InlineDispatcher())
        assert reduced == {torch.float32}

    train_together(2, "fsdp2", work, workspace.root)
    alone, *shards = (
        json.loads((workspace.root / name).read_text()) for name in ("alone.json", "shard-0.json", "shard-1.json")
    )
    for name in FP32:
        assert set(alone["types"][name]) == {"torch.float32"}, name
    for name in BF16:
        assert alone["types"][name][-1] == "torch.bfloat16", name
    for name in ("weights", "ema", "moments"):
        assert alone["types"][name] == ["torch.float32"], name
    assert [shard["types"] for shard in shards] == [alone["types"]] * 2
    # Whatever the sample of the first step: no bfloat16 comes so near to a whole number of thousandths.
    for value in (alone["values"]["timestep"], shards[0]["values"]["timestep"]):
        assert float(torch.tensor(value).bfloat16()) != value
    assert alone["values"]["timestep"] == shards[0]["values"]["timestep"]
