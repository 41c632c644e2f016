"""Load models from local Diffusers folders, with errors that say what to do. Nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pvtt.errors import MissingInputError, PvttError, first_line
from pvtt.files.storage import raise_storage_fault

ModelT = TypeVar("ModelT")

BASE_HINT = (
    "set model.base to a Wan2.1 or CogVideoX folder in Diffusers layout: models/wan-tiny, which is the project's own, "
    "or one fetched with `hf download Wan-AI/Wan2.1-T2V-1.3B-Diffusers --local-dir models/Wan2.1-T2V-1.3B-Diffusers`"
)
ALIGNMENT = 64  # bytes, as torch allocates
ENCODER_PARTS = ("vae", "tokenizer", "text_encoder")  # what encoded samples depend on
FROZEN_PARTS = (*ENCODER_PARTS, "scheduler")  # what training takes over from its base as it is
PIPELINE_PARTS = (*FROZEN_PARTS, "transformer")
STOCK_TRANSFORMERS = ("WanTransformer3DModel", "WanVACETransformer3DModel", "CogVideoXTransformer3DModel")


def read_model_index(folder: Path) -> dict[str, Any]:
    """The parsed `model_index.json` of a pipeline folder.

    Raises:
        MissingInputError: The folder or the file is not there.
        PvttError: The file is not JSON, or names a UNet, which nothing here can be built around.
    """
    path = folder / "model_index.json"
    if not path.is_file():
        missing = "does not exist" if not folder.exists() else "has no model_index.json: it is no Diffusers pipeline"
        raise MissingInputError(f"the model folder {folder} {missing}", BASE_HINT)
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise PvttError(f"{path} is not JSON: {error}", "fetch or write the model folder again") from None
    if "unet" in index:
        raise PvttError(
            f"{folder} has a UNet ({index.get('_class_name')}): no base can be one, AnimateDiff included "
            "(docs/bases.md says why)",
            BASE_HINT,
        )
    return index


def read_transformer_config(folder: Path) -> dict[str, Any]:
    """The configuration of a pipeline folder's transformer.

    Raises:
        MissingInputError: The folder or the file is not there.
        PvttError: It is not JSON.
    """
    require_pipeline(folder)
    path = folder / "transformer" / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path} does not exist", BASE_HINT) from None
    except json.JSONDecodeError as error:
        raise PvttError(f"{path} is not JSON: {error}", "fetch or write the model folder again") from None
    return {name: value for name, value in config.items() if not name.startswith("_")}


def require_pipeline(folder: Path) -> None:
    """Check that a pipeline folder is whole, without loading it.

    Raises:
        MissingInputError: The folder or one of its parts is not there; names it.
        PvttError: As `read_model_index`.
    """
    read_model_index(folder)
    missing = [part for part in PIPELINE_PARTS if not (folder / part).is_dir()]
    if missing:
        raise MissingInputError(f"the model folder {folder} lacks {', '.join(missing)}", BASE_HINT)


def load_component(folder: Path, kind: type[ModelT], **options: Any) -> ModelT:
    """Load one part of a pipeline, for example its `transformer` folder, from local files only.

    Args:
        folder: The folder with the part's `config.json`.
        kind: A class with `from_pretrained`.
        **options: Passed on, for example `torch_dtype`.

    Raises:
        MissingInputError: The folder is not there.
        PvttError: It cannot be loaded; says why.
    """
    if not folder.is_dir():
        raise MissingInputError(f"the model folder {folder} does not exist", BASE_HINT)
    try:
        model: ModelT = kind.from_pretrained(str(folder), local_files_only=True, **options)  # type: ignore[attr-defined]
    except (OSError, ValueError, RuntimeError) as error:
        raise_storage_fault(error, folder)
        raise PvttError(f"cannot load a {kind.__name__} from {folder}: {first_line(error)}", BASE_HINT) from error
    align(model)
    return model


def load_base_transformer(folder: Path, **options: Any) -> Any:
    """A base's transformer folder as the class that its `config.json` names: `WanTransformer3DModel`,
    `WanVACETransformer3DModel` or `CogVideoXTransformer3DModel`. Arguments and errors as `load_component`."""
    import diffusers

    name = class_name(folder)
    kind = name if name in STOCK_TRANSFORMERS else "WanTransformer3DModel"
    return load_component(folder, getattr(diffusers, kind), **options)


def class_name(folder: Path) -> str | None:
    """The class that a component's `config.json` names; None where there is none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    name: str | None = config.get("_class_name") if isinstance(config, dict) else None
    return name


def transformer_class(folder: Path) -> str | None:
    """The class of a pipeline folder's transformer; None where there is none."""
    return class_name(folder / "transformer")


def is_vace(folder: Path) -> bool:
    """Whether a transformer's folder is a stock VACE; False where there is none."""
    return class_name(folder) == "WanVACETransformer3DModel"


def is_cogvideox(name: str | None) -> bool:
    """Whether a component's class is one of CogVideoX's, stock or trained here."""
    return name is not None and "CogVideoX" in name


def align(model: Any) -> None:
    """Give a loaded model's parameters memory at addresses that a new one's would have.

    A file's tensors lie where its header ends. Kernels of the CPU take other paths where addresses are no multiple of
    64, and sums come out different in the last bit: the same weights then give other results from another file.

    Args:
        model: A module, changed in place; anything else is left as it is.
    """
    import torch

    if isinstance(model, torch.nn.Module):
        for parameter in model.parameters():
            if parameter.device.type == "cpu" and parameter.data_ptr() % ALIGNMENT:
                parameter.data = parameter.data.clone()


def load_vae(base: Path) -> Any:
    """A base's `AutoencoderKLWan` or `AutoencoderKLCogVideoX`, float32, frozen. Raises as `read_model_index` and
    `load_component`."""
    import diffusers
    import torch

    read_model_index(base)
    is_cog = is_cogvideox(class_name(base / "vae"))
    kind = diffusers.AutoencoderKLCogVideoX if is_cog else diffusers.AutoencoderKLWan
    vae: Any = load_component(base / "vae", kind, torch_dtype=torch.float32)
    return vae.eval().requires_grad_(False)


def load_text_encoder(base: Path) -> tuple[Any, Any]:
    """A base's tokenizer and its UMT5 or T5 encoder, float32, frozen. Raises as `read_model_index` and
    `load_component`."""
    import torch
    from transformers import AutoTokenizer, T5EncoderModel, UMT5EncoderModel

    index = read_model_index(base)
    tokenizer = load_component(base / "tokenizer", AutoTokenizer)
    kind = T5EncoderModel if index.get("text_encoder", [None])[-1] == "T5EncoderModel" else UMT5EncoderModel
    encoder: Any = load_component(base / "text_encoder", kind, dtype=torch.float32)
    return tokenizer, encoder.eval().requires_grad_(False)


def read_scheduler_config(base: Path) -> dict[str, Any]:
    """The configuration of a pipeline folder's scheduler.

    Raises:
        MissingInputError: The file is not there.
        PvttError: It is not JSON.
    """
    path = base / "scheduler" / "scheduler_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path} does not exist", BASE_HINT) from None
    except json.JSONDecodeError as error:
        raise PvttError(f"{path} is not JSON: {error}", "fetch or write the model folder again") from None
    return config


def load_scheduler(base: Path) -> Any:
    """A base's flow-matching scheduler, of the class that its `model_index.json` names; of a CogVideoX its noise levels
    as one.

    Raises:
        PvttError: It is no flow-matching scheduler; otherwise as `read_model_index` and `load_component`.
    """
    import diffusers

    _, name = read_model_index(base)["scheduler"]
    if is_cogvideox(name):
        from pvtt.models.cogvideox_schedule import CogVideoXFlowScheduler, require_published

        require_published(read_scheduler_config(base), str(base))
        return load_component(base / "scheduler", CogVideoXFlowScheduler)
    scheduler: Any = load_component(base / "scheduler", getattr(diffusers, name))
    if "FlowMatch" not in name and scheduler.config.get("prediction_type") != "flow_prediction":
        raise PvttError(f"{base}: its scheduler {name} does not predict flow", BASE_HINT)
    return scheduler
