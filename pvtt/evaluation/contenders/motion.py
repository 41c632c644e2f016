"""How the template's own product moves: flow and points, and never a pixel.

A person has the whole template, so a route of the research plan may look at how its product moves. In reconstruction
the template is the truth, and so this is the true product's own motion: a route knows more there than the model, which
sees the hole alone. What it looks like stays in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, FrameRegion, Region, Video
from pvtt.media.flow import Floats, FlowField, FlowFields, flow_fields, sample_along

Transform = npt.NDArray[np.float64]  # (2, 3): a similarity, from places in the first frame to those in another

NUM_POINTS = 64
MIN_POINTS = 4  # fewer say nothing of a turn
ROUNDS = 2  # that points and flow are looked for in a frame, each from where the last found them
MAX_ERROR = 1.0  # pixels that a point may be off the transform that it is fitted with
SMOOTHED = 5  # frames that a transform is smoothed over
RIM = 0.012  # of the short side: at the product's outline the flow is half the background's
MAX_SAMPLES = 1000  # pixels of the product that its turn and growth are fitted to


class TemplateMotion:
    """The motion of a template's product.

    Args:
        template: With the product in it, (F, H, W, 3).
        product: Where it is, by segmentation, (F, H, W).
    """

    def __init__(self, template: Video, product: Region) -> None:
        self._template = template
        self._product = product

    @cached_property
    def back(self) -> FlowFields:
        """From each frame but the first to the one before, (F-1, H, W, 2).

        A new product reaches beyond the old one's outline, where the flow is the background's. There it is the
        similarity that is nearest to the product's own flow: its shift, turn and growth, continued.
        """
        pairs = zip(pairwise(self._alone), self._product[1:], strict=True)
        steps = [_step(after, before, there) for (before, after), there in pairs]
        return np.stack(steps) if steps else np.zeros((0, *self._product.shape[1:], 2), np.float32)

    @cached_property
    def to_first(self) -> FlowFields:
        """From each frame to the first, (F, H, W, 2): the steps of `back`, one after another."""
        found = [np.zeros((*self._template.shape[1:3], 2), np.float32)]
        for step in self.back:
            found.append(step + sample_along(found[-1], step, outside=None))
        return np.stack(found)

    def transforms(self) -> list[Transform]:
        """Where the product has got to in each frame, by points that are followed on it; F of them.

        Where too few are found, new ones are set on the frame before. Where there are none either the product is taken
        to stand still.
        """
        made: list[Transform] = [np.eye(2, 3)]
        while len(made) < len(self._template):
            since = made[-1]
            made += [_after(step, since) for step in self._follow(len(made) - 1)] or [since]
        return _smooth(made, self._centre())

    @cached_property
    def _alone(self) -> Video:
        """The product on its own mean colour: at its outline the background's motion is not to be seen for its own."""
        if not self._product.any():
            return self._template
        mean = np.rint(self._template[self._product].mean(axis=0)).astype(np.uint8)
        alone: Video = np.where(self._product[..., None], self._template, mean)
        return alone

    def _follow(self, start: int) -> Iterator[Transform]:
        """From frame `start` to each that follows, as long as enough points are found.

        They are looked for in the first picture as it must look by now: a window around a point that has not turned
        along would pull it back.
        """
        import cv2

        from pvtt.encoding.points import corners_of, follow

        greys = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in self._alone[start:]]
        corners, moved = corners_of(greys[0], self._product[start], NUM_POINTS), np.eye(2, 3)
        if len(corners) < MIN_POINTS:
            return
        for grey in greys[1:]:
            for _ in range(ROUNDS):
                expected = _at(moved, corners)
                turned = np.asarray(
                    cv2.warpAffine(greys[0], moved, grey.shape[::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8
                )
                found, held = follow(turned, grey, expected)
                if held.sum() < MIN_POINTS:
                    return
                matrix, agreeing = cv2.estimateAffinePartial2D(
                    corners[held], found[held], ransacReprojThreshold=MAX_ERROR
                )
                if matrix is None or agreeing.sum() < MIN_POINTS:
                    return
                moved = np.asarray(matrix, np.float64)
            yield moved

    def _centre(self) -> npt.NDArray[np.float64]:
        """The product's middle in the first frame that shows it, (x, y); the frame's where none does."""
        shown = np.flatnonzero(self._product.any(axis=(1, 2)))
        if not len(shown):
            return np.array(self._product.shape[:0:-1]) / 2
        rows, columns = np.nonzero(self._product[shown[0]])
        return np.array([columns.mean(), rows.mean()])


def _step(after: Frame, before: Frame, product: FrameRegion) -> FlowField:
    """From a frame with a product, (H, W, 3) and (H, W), to the one before, (H, W, 2); as `TemplateMotion.back`.

    What a product turns and grows by, flow finds too little of. So it is looked for once more in the frame before as
    moved by what was found.
    """
    import cv2

    height, width = product.shape
    rim = max(1, round(RIM * min(height, width)))
    disc = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)), np.uint8)
    inner = np.asarray(cv2.erode(product.astype(np.uint8), disc))
    own = np.asarray(cv2.GaussianBlur(inner.astype(np.float32), (0, 0), rim))[..., None]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    moved, flow = np.eye(2, 3), np.zeros_like(grid)
    for _ in range(ROUNDS):
        shown = cv2.warpAffine(
            before,
            moved,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        (rest,) = flow_fields(after[None], np.asarray(shown, np.uint8)[None])
        flow = _at(moved, grid + rest) - grid
        nearest = _nearest(grid[inner > 0], (grid + flow)[inner > 0])
        if nearest is None:
            return flow
        moved = nearest
    return np.asarray(own * flow + (1 - own) * (_at(moved, grid) - grid), np.float32)


def _at(transform: Transform, places: Floats) -> Floats:
    """Where places, (..., 2), get to."""
    return np.asarray(places @ transform[:, :2].T + transform[:, 2], np.float32)


def _nearest(places: Floats, moved: Floats) -> Transform | None:
    """The similarity that most of a product's pixels, (n, 2), moved by; None where they agree on none."""
    import cv2

    if len(places) < MIN_POINTS:
        return None
    some = np.arange(0, len(places), -(-len(places) // MAX_SAMPLES))
    matrix, _ = cv2.estimateAffinePartial2D(places[some], moved[some], ransacReprojThreshold=MAX_ERROR)
    return None if matrix is None else np.asarray(matrix, np.float64)


def _after(second: Transform, first: Transform) -> Transform:
    """The first transform, then the second."""
    return np.concatenate([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1)


def _smooth(transforms: list[Transform], centre: npt.NDArray[np.float64]) -> list[Transform]:
    """Without trembling: a product that moves, turns or grows steadily keeps its motion exactly.

    Args:
        transforms: Similarities, F of them.
        centre: What they turn about, (x, y): a small error of a turn must be no large one of a place.
    """
    from scipy.signal import savgol_filter

    if len(transforms) < SMOOTHED:
        return transforms
    matrices = np.stack(transforms)
    moved = matrices[:, :, :2] @ centre + matrices[:, :, 2]
    cosines, sines = matrices[:, 0, 0], matrices[:, 1, 0]
    numbers = np.stack([*moved.T, np.unwrap(np.arctan2(sines, cosines)), np.log(np.hypot(cosines, sines))], axis=-1)
    x, y, turn, growth = savgol_filter(numbers, SMOOTHED, polyorder=2, axis=0).T
    turned = np.exp(growth)[:, None, None] * np.stack(
        [np.stack([np.cos(turn), -np.sin(turn)], -1), np.stack([np.sin(turn), np.cos(turn)], -1)], axis=1
    )
    shifts = np.stack([x, y], axis=-1) - turned @ centre
    return list(np.concatenate([turned, shifts[..., None]], axis=-1))
