"""Where and how exactly the arithmetic runs: threads, determinism, precision, processes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pvtt.errors import MissingInputError, ParamsError, first_line
from pvtt.params.train import TrainParams

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers.models.modeling_utils import ModelMixin

ACCELERATE_CONFIG = "PVTT_ACCELERATE_CONFIG"
MAX_GRAPHS = 64  # of a block, in a process; two stages need 8: a step, held-out samples, their rest and pictures, twice


def num_threads() -> int:
    """CPU threads to compute with: OMP_NUM_THREADS, else the cores that this process may use.

    Sums are split by thread, so equal bits need equal numbers.
    """
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def machine() -> dict[str, Any]:
    """What equal bits depend on besides params, data and code."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else torch.backends.cpu.get_cpu_capability()
    return {
        "torch": str(torch.__version__),  # a plain string: `torch.load` refuses a TorchVersion
        "device": device,
        "threads": num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
    }


@contextmanager
def deterministic(strict: bool = True) -> Iterator[None]:
    """Deterministic kernels and a deliberate number of threads in the block.

    Args:
        strict: `train.deterministic`. False: torch takes the fastest kernels, and tries which they are. True: a GPU's
            attention is deterministic only where torch may also refuse, so there it does; a CPU's kernels all are.

    Raises:
        ParamsError: Something in the block has no deterministic kernel on this GPU.
    """
    threads, before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    debugging: Any = torch.utils.deterministic
    fill, benchmark = debugging.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    if strict:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not deterministic without
    torch.set_num_threads(num_threads())
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(strict, warn_only=not torch.cuda.is_available())
    debugging.fill_uninitialized_memory = False  # a debugging aid that costs a write of every buffer
    torch.backends.cudnn.benchmark = not strict
    try:
        with warnings.catch_warnings():
            # Wan's RMSNorm keeps float32 weights under autocast, on purpose.
            warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
            yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        raise ParamsError(
            f"train.deterministic: {first_line(error)}",
            "set train.deterministic: false, or leave out the loss or the part that needs it",
        ) from error
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        debugging.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def accelerate_for(params: TrainParams, gradient_accumulation: int) -> Iterator[Accelerator]:
    """An Accelerator for this process, which is the only one or (torchrun's variables are set) one of several.

    Several processes hold the whole model each, unless `PVTT_ACCELERATE_CONFIG` names an accelerate configuration with
    an `fsdp_config`, such as `infra/accelerate/fsdp2.yaml`.

    Raises:
        MissingInputError: The configuration file does not exist.
        ParamsError: It has no `fsdp_config`.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    configuration = os.environ.get(ACCELERATE_CONFIG)
    if configuration:
        _export_fsdp_config(Path(configuration))
    try:
        accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="no",  # `precision.in_bf16` decides, the same for one process and for several
            gradient_accumulation_steps=gradient_accumulation,
        )
        if configuration and accelerator.num_processes > 1:
            _shard_on_any_device(accelerator)
        yield accelerator
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # process-wide; the next run may differ


def compile_blocks(model: ModelMixin, device: torch.device) -> None:
    """Compile the forward of a model's repeated blocks in place: all share a graph, parameters keep their names.

    Args:
        model: Its `_repeated_blocks` names the class.
        device: Where it will run.

    Raises:
        ParamsError: Nothing can be compiled for `device` on this machine.
    """
    import torch._dynamo

    try:
        torch.compile(torch.Tensor.sin, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:  # torch's own, of dynamo, of inductor or of Triton
        raise ParamsError(
            f"train.compile: torch compiles nothing for {device.type} on this machine: {first_line(error)}",
            "set train.compile: false, or install a C++ compiler and, for a GPU, Triton",
        ) from error
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, MAX_GRAPHS)
    # Few sizes occur, of training, held-out samples and pictures: a graph each, rather than a slower one for all.
    model.compile_repeated_blocks(dynamic=False)


def _shard_on_any_device(accelerator: Accelerator) -> None:
    """Shard on CPUs too: accelerate 1.15 does it on GPUs only, and elsewhere gives each process the whole model."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    if accelerator.distributed_type != DistributedType.FSDP:
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()


def _export_fsdp_config(path: Path) -> None:
    """Set the variables that `accelerate launch --config_file` would set for FSDP; those already set win."""
    from ruamel.yaml import YAML

    if not path.is_file():
        raise MissingInputError(f"{ACCELERATE_CONFIG}={path} does not exist", f"correct or unset {ACCELERATE_CONFIG}")
    options = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")).get("fsdp_config")
    if not options:
        raise ParamsError(f"{path} has no fsdp_config", "take infra/accelerate/fsdp2.yaml as an example")
    os.environ.setdefault("ACCELERATE_USE_FSDP", "true")
    for option, value in options.items():
        variable = option.upper().replace("TRANSFORMER_LAYER_CLS_TO_WRAP", "TRANSFORMER_CLS_TO_WRAP")
        os.environ.setdefault(variable, str(value).lower() if isinstance(value, bool) else str(value))
