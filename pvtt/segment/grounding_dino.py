"""Grounding DINO as a detector: boxes for a text prompt, from a local folder in Transformers' layout.

Liu et al., "Grounding DINO", 2023; for example the files of `IDEA-Research/grounding-dino-base`. Nothing is downloaded.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path

import numpy as np

from pvtt.errors import MissingInputError
from pvtt.media.arrays import Frame
from pvtt.segment.protocols import Detection

BOX_THRESHOLD = 0.3  # with TEXT_THRESHOLD, the values of the reference implementation's demo
TEXT_THRESHOLD = 0.25
MAX_OVERLAP = 0.5  # IoU above which two boxes are one product
MIN_RELATIVE_SCORE = 0.6  # of the best box's; weaker ones are parts and guesses, not second products


class GroundingDinoDetector:
    """Detects products by a prompt.

    Args:
        folder: Weights, configuration and tokenizer.
        text: The prompt: lower-case phrases, each ended by a full stop, for example `ring. bracelet.`; `asked` gives
            the same network another.

    Raises:
        MissingInputError: There is no such model in the folder.
    """

    name = "grounding-dino-1"

    def __init__(self, folder: Path, text: str) -> None:
        import torch
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        if not (folder / "config.json").is_file():
            raise MissingInputError(
                f"segment.detector_weights: {folder} holds no Grounding DINO model",
                "put the files of IDEA-Research/grounding-dino-base there, or use segment.detector: u2netp",
            )
        self._text = text
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, local_files_only=True)
        self._model = model.to(self._device).eval()

    def asked(self, text: str) -> GroundingDinoDetector:
        """The same network, asked for something else."""
        other = copy(self)
        other._text = text
        return other

    def detect(self, frame: Frame) -> Detection:
        """See `Detector.detect`."""
        import torch
        from torchvision.ops import nms

        inputs = self._processor(images=frame, text=self._text, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        (found,) = self._processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=BOX_THRESHOLD,
            text_threshold=TEXT_THRESHOLD,
            target_sizes=[frame.shape[:2]],
        )
        boxes, scores = found["boxes"].float().cpu(), found["scores"].float().cpu()
        kept = nms(boxes, scores, MAX_OVERLAP)  # sorted by score
        kept = kept[scores[kept] >= MIN_RELATIVE_SCORE * scores.max()] if len(kept) else kept
        return Detection(boxes[kept].numpy().astype(np.float32), scores[kept].numpy().astype(np.float32))
