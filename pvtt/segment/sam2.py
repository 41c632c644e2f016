"""SAM 2 as a tracker: Meta's video predictor, prompted with the detections' masks or boxes.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024. The weights come from a local folder that holds one
checkpoint (`*.pt`) and its configuration (`*.yaml`), for example the files of `facebook/sam2.1-hiera-large`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.errors import MissingInputError
from pvtt.files.atomic import scratch_directory
from pvtt.media.arrays import Frame, SoftMask
from pvtt.segment.protocols import Detection

CHUNK_FRAMES = 48  # held at once; the predictor keeps each as 3 x 1024 x 1024 floats (12.6 MB) and its features
LOST = 0.1  # of a prompted frame's mask: what is left of one when the product is taken for lost
MAX_LOOKS = 4  # that the detector takes at lost frames, a window
KEPT = "masks.npy"
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
    """Tracks forward and backward through windows of a clip; two windows share a frame, whose mask is handed on.

    ```
    window 1: nothing seen   ◄── mask ──   window 2: product seen   ── mask ──►   window 3
    ```

    Where the mask all but vanishes, the detector is asked again, and what it finds is followed in both directions.

    Args:
        folder: A local folder with the checkpoint and its configuration.

    Raises:
        MissingInputError: The folder does not hold one of each.
    """

    name = "sam2-2"
    sees_colour = True

    def __init__(self, folder: Path) -> None:
        import torch

        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._predictor = load_predictor(folder).to(self._device).eval()

    def track(
        self, frames: Iterable[tuple[Frame, Detection | None]], look: Callable[[Frame], Detection] | None = None
    ) -> Iterator[SoftMask]:
        """See `Tracker.track`. Holds the masks of `CHUNK_FRAMES` frames at once; what waits longer is on the disk."""
        handed_on: Detection | None = None
        waiting: list[_Window] = []  # those before, in which no product was seen
        with scratch_directory() as folder:
            for window in _windows(frames, folder):
                if handed_on is not None:
                    window.prompts[0] = handed_on
                masks = self._track_window(window, look)
                if masks is None:
                    waiting.append(window)
                    continue
                self._track_backward(waiting, masks[0])
                yield from _masks_of(waiting)
                yield from masks if window.is_last else masks[:-1]
                handed_on, waiting = _as_detection(masks[-1]), []
                window.remove()
            yield from _masks_of(waiting)

    def _track_backward(self, waiting: list[_Window], mask: SoftMask) -> None:
        """Follow a product back through windows before the one in which it was seen first, as far as it is there."""
        for window in reversed(waiting):
            window.prompts = {window.num_frames - 1: _as_detection(mask)}
            masks = self._track_window(window, None)
            if masks is None:
                return
            window.keep(masks)
            mask = masks[0]

    def _track_window(self, window: _Window, look: Callable[[Frame], Detection] | None) -> list[SoftMask] | None:
        """A mask a frame; None where nothing in the window shows a product."""
        if not window.shown:
            return None
        with self._computing():
            state = self._predictor.init_state(str(window.folder), offload_video_to_cpu=True, offload_state_to_cpu=True)
        masks = self._propagate(state, window)
        asked: set[int] = set()
        while look is not None and len(asked) < MAX_LOOKS:
            places = [place for place in _lost(masks, window.shown) if place not in asked][: MAX_LOOKS - len(asked)]
            asked.update(places)
            seen = {place: look(window.frame(place)) for place in places}
            if not any(one.num_products for one in seen.values()):
                break
            window.prompts |= seen
            with self._computing():
                self._predictor.reset_state(state)  # else a frame that was tracked already keeps its mask
            masks = self._propagate(state, window)
        return masks

    def _propagate(self, state: Any, window: _Window) -> list[SoftMask]:
        import torch

        masks = [np.zeros(window.size, np.float32) for _ in range(window.num_frames)]
        with self._computing():
            for index in window.shown:
                detection = window.prompts[index]
                if detection.mask is not None:
                    self._predictor.add_new_mask(state, index, obj_id=1, mask=detection.mask >= 0.5)
                else:
                    self._predictor.add_new_points_or_box(state, index, obj_id=1, box=detection.boxes[0])
            for reverse in (False, True):
                for index, _, logits in self._predictor.propagate_in_video(state, window.shown[0], reverse=reverse):
                    masks[index] = torch.sigmoid(logits[0, 0].float()).cpu().numpy()
        return masks

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        import torch

        with (
            _without_progress_bars(),
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            yield


@dataclass
class _Window:
    """Some frames of a clip, as files named by their number, since that is what the predictor reads.

    Attributes:
        prompts: What frames show, by their place.
        size: Height and width.
        is_last: No other window follows, so that it shares its last frame with none.
    """

    folder: Path
    size: tuple[int, int] = (0, 0)
    num_frames: int = 0
    prompts: dict[int, Detection] = field(default_factory=dict)
    is_last: bool = False

    @property
    def shown(self) -> list[int]:
        """The frames that are known to show a product, in order."""
        return sorted(index for index, one in self.prompts.items() if one.num_products)

    def add(self, frame: Frame, detection: Detection | None) -> None:
        from PIL import Image

        self.folder.mkdir(exist_ok=True)
        Image.fromarray(frame).save(self._file(self.num_frames), quality=98, subsampling=0)
        if detection is not None:
            self.prompts[self.num_frames] = detection
        self.size = frame.shape[0], frame.shape[1]
        self.num_frames += 1

    def frame(self, place: int) -> Frame:
        from PIL import Image

        with Image.open(self._file(place)) as image:
            return np.array(image)

    def keep(self, masks: list[SoftMask]) -> None:
        np.save(self.folder / KEPT, np.stack(masks))

    def masks(self) -> Iterator[SoftMask]:
        """What was kept, else empty ones; without the frame that the next window has too."""
        kept = np.load(self.folder / KEPT, mmap_mode="r") if (self.folder / KEPT).is_file() else None
        for place in range(self.num_frames if self.is_last else self.num_frames - 1):
            yield np.zeros(self.size, np.float32) if kept is None else np.array(kept[place])

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _file(self, place: int) -> Path:
        return self.folder / f"{place:05d}.jpg"


def _windows(frames: Iterable[tuple[Frame, Detection | None]], folder: Path) -> Iterator[_Window]:
    window = _Window(folder / "0")
    for frame, detection in frames:
        window.add(frame, detection)
        if window.num_frames == CHUNK_FRAMES:
            yield window
            window = _Window(folder / f"{int(window.folder.name) + 1}")
            window.add(frame, None)
    window.is_last = True
    if window.num_frames:
        yield window


def _masks_of(windows: list[_Window]) -> Iterator[SoftMask]:
    for window in windows:
        yield from window.masks()
        window.remove()


def _lost(masks: list[SoftMask], prompted: list[int]) -> list[int]:
    """The middles of the stretches of frames in which a mask is `LOST` of what it is on prompted frames, or less."""
    areas = np.array([float((mask >= 0.5).sum()) for mask in masks])
    gone = areas <= LOST * float(np.median(areas[prompted]))
    gone[prompted] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
    return [int(begin + end) // 2 for begin, end in zip(edges[::2], edges[1::2], strict=True)]


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


@contextlib.contextmanager
def _without_progress_bars() -> Iterator[None]:
    """The predictor draws a bar for each call; the stage has its own."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
