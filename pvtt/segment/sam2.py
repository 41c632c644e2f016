"""SAM 2 as a tracker: Meta's video predictor, prompted with the detections' masks or boxes.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024. The weights come from a local folder that holds one
checkpoint (`*.pt`) and its configuration (`*.yaml`), for example the files of `facebook/sam2.1-hiera-large`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.errors import MissingInputError
from pvtt.files.atomic import scratch_directory
from pvtt.media.arrays import Frame, SoftMask
from pvtt.segment.protocols import Detection

CHUNK_FRAMES = 48  # held at once; the predictor keeps each as 3 x 1024 x 1024 floats (12.6 MB) and its features
# What `sam2.build_sam.build_sam2_video_predictor` sets on top of a model's configuration.
PREDICTOR_SETTINGS = {
    "_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor",
    "binarize_mask_from_pts_for_mem_enc": True,
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
}


class Sam2Tracker:
    """Tracks through chunks of a clip; each chunk begins with the last frame and mask of the one before.

    Args:
        folder: A local folder with the checkpoint and its configuration.

    Raises:
        MissingInputError: The folder does not hold one of each.
    """

    name = "sam2-1"
    sees_colour = True

    def __init__(self, folder: Path) -> None:
        import torch

        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._predictor = load_predictor(folder).to(self._device).eval()

    def track(self, frames: Iterable[tuple[Frame, Detection | None]]) -> Iterator[SoftMask]:
        """See `Tracker.track`. Holds `CHUNK_FRAMES` frames at once."""
        chunk: list[tuple[Frame, Detection | None]] = []
        for entry in frames:
            chunk.append(entry)
            if len(chunk) == CHUNK_FRAMES:
                masks = self._track_chunk(chunk)
                yield from masks[:-1]
                chunk = [(chunk[-1][0], _as_detection(masks[-1]))]
        if chunk:
            yield from self._track_chunk(chunk)

    def _track_chunk(self, chunk: list[tuple[Frame, Detection | None]]) -> list[SoftMask]:
        import torch

        masks = [np.zeros(frame.shape[:2], np.float32) for frame, _ in chunk]
        with (
            scratch_directory() as folder,
            _without_progress_bars(),
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            _write_jpegs([frame for frame, _ in chunk], folder)
            state = self._predictor.init_state(str(folder), offload_video_to_cpu=True, offload_state_to_cpu=True)
            prompted = [index for index, (_, detection) in enumerate(chunk) if self._prompt(state, index, detection)]
            if not prompted:
                return masks
            for reverse in (False, True):
                for index, _, logits in self._predictor.propagate_in_video(state, prompted[0], reverse=reverse):
                    masks[index] = torch.sigmoid(logits[0, 0].float()).cpu().numpy()
        return masks

    def _prompt(self, state: Any, index: int, detection: Detection | None) -> bool:
        """Tell the predictor what a key frame shows; False where it shows nothing."""
        if detection is None or detection.num_products == 0:
            return False
        if detection.mask is not None:
            self._predictor.add_new_mask(state, index, obj_id=1, mask=detection.mask >= 0.5)
        else:
            self._predictor.add_new_points_or_box(state, index, obj_id=1, box=detection.boxes[0])
        return True


def load_predictor(folder: Path) -> Any:
    """Build `SAM2VideoPredictor` from a folder. Raises `MissingInputError`."""
    import torch
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    configurations, checkpoints = sorted(folder.glob("*.yaml")), sorted(folder.glob("*.pt"))
    if len(configurations) != 1 or len(checkpoints) != 1:
        raise MissingInputError(
            f"segment.tracker_weights: {folder} does not hold one SAM 2 checkpoint (*.pt) and its *.yaml",
            "put the files of facebook/sam2.1-hiera-large there, or use segment.tracker: flow",
        )
    configuration = OmegaConf.merge(OmegaConf.load(configurations[0]), {"model": PREDICTOR_SETTINGS})
    predictor = instantiate(configuration.model, _recursive_=True)
    state = torch.load(checkpoints[0], map_location="cpu", weights_only=True)
    predictor.load_state_dict(state["model"])
    return predictor


def _as_detection(mask: SoftMask) -> Detection:
    if not (mask >= 0.5).any():
        return Detection(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), mask)
    height, width = mask.shape
    return Detection(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32), mask)


def _write_jpegs(frames: list[Frame], folder: Path) -> None:
    """The predictor reads frames from files named by their number."""
    from PIL import Image

    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:05d}.jpg", quality=98, subsampling=0)


@contextlib.contextmanager
def _without_progress_bars() -> Iterator[None]:
    """The predictor draws a bar for each call; the stage has its own."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
