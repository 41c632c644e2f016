"""Identity retrieval: of all products of a split, whose photos does the output's product look most like?

The embedding needs no network, so it cannot flatter a model that was trained on the same features:

- a histogram of the region's colours in CIE L*a*b* (8×12×12 bins, smoothed by a Gaussian of one bin, square root taken,
  so that distances are Hellinger's);
- the mean colour of the region's upper, middle and lower third, which tells a lid from a body and survives an orbit.

It sees colour, its spread over surfaces and its layout; of shape nothing, because the mask gives the shape away.
The gallery is made of photos, never of the clip that is judged.

Measured on 24 products of the sample shop, 144×96, 4 photos each (chance 4 %): ground-truth clips 100 %; blurred by 2
pixels 100 %; reduced to 24×16 pixels 92 %; blurred with noise of 20 grey levels 96 %; the region filled with one colour
for all products 4 %. Evaluation reports the ground truth's own figure beside the model's, as the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.metrics.metric import Appearance, Metric, Scene
from pvtt.media.arrays import Frame, FrameRegion, Region, Rgba, Video

NUM_L_BINS, NUM_AB_BINS = 8, 12
AB_RANGE = (-80.0, 80.0)
NUM_BANDS = 3
BAND_WEIGHT = 2.0 / 100  # of a band's colour in L*a*b* units, against the histogram's unit length


def embed(video: Video, region: Region) -> Appearance | None:
    """The appearance of the region over all frames; None where it is empty."""
    import cv2
    from scipy.ndimage import gaussian_filter
    from skimage.color import rgb2lab

    kernel = np.ones((3, 3), np.uint8)
    inner = np.stack([cv2.erode(frame.astype(np.uint8), kernel) > 0 for frame in region])
    region = inner if inner.any() else region  # the edge's pixels are half background
    if not region.any():
        return None
    pixels = rgb2lab(video[region][None])[0]  # (N, 3)
    ranges = ((0.0, 100.0), AB_RANGE, AB_RANGE)
    clipped = np.clip(pixels, [low for low, _ in ranges], [high for _, high in ranges])
    histogram, _ = np.histogramdd(clipped, bins=(NUM_L_BINS, NUM_AB_BINS, NUM_AB_BINS), range=ranges)
    histogram = gaussian_filter(histogram, 1.0, mode="constant")
    colours = np.sqrt(histogram / histogram.sum()).ravel()
    bands = [_bands(frame, inside) for frame, inside in zip(video, region, strict=True) if inside.any()]
    return Appearance(np.concatenate([colours, BAND_WEIGHT * np.mean(bands, axis=0)]))


def _bands(frame: Frame, inside: FrameRegion) -> npt.NDArray[np.float64]:
    """Mean L*a*b* of the region's thirds from top to bottom, (9,); an empty third takes the whole region's."""
    from skimage.color import rgb2lab

    rows, columns = np.nonzero(inside)
    colours = rgb2lab(frame[rows, columns][None])[0]
    height = rows.max() - rows.min() + 1
    third = (rows - rows.min()) * NUM_BANDS // height
    means = [colours[third == band].mean(0) if (third == band).any() else colours.mean(0) for band in range(NUM_BANDS)]
    return np.concatenate(means)


def embed_photos(photos: Sequence[Rgba], side: int) -> Appearance | None:
    """A product's appearance in its photos.

    Args:
        photos: (S, S, 4) uint8 RGBA, background removed.
        side: The photos are reduced to this many pixels, so that fine prints mix as they do in the video.

    Returns:
        None where no photo shows anything.
    """
    import cv2

    small = []
    for photo in photos:
        # Colours are weighted by coverage, so that what lies under transparent pixels doesn't bleed in.
        alpha = photo[..., 3:].astype(np.float32) / 255
        premultiplied = np.concatenate([photo[..., :3] * alpha, alpha], axis=-1)
        if side < photo.shape[0]:
            premultiplied = cv2.resize(premultiplied, (side, side), interpolation=cv2.INTER_AREA)
        cover = premultiplied[..., 3:]
        colour = np.divide(premultiplied[..., :3], cover, out=np.zeros_like(premultiplied[..., :3]), where=cover > 0)
        small.append((np.rint(np.clip(colour, 0, 255)).astype(np.uint8), cover[..., 0] >= 0.5))
    if not small:
        return None
    return embed(np.stack([colour for colour, _ in small]), np.stack([inside for _, inside in small]))


def nearest(query: Appearance, gallery: Mapping[str, Appearance]) -> str:
    """The product in the gallery that looks most like `query`; the first by id where two are equally near."""
    return min(sorted(gallery), key=lambda product: float(np.linalg.norm(query.vector - gallery[product].vector)))


def _shows(scene: Scene, video: Video, product_id: str | None) -> float | None:
    """1 where retrieval finds this product in the video, 0 where another; None where there is nothing to choose."""
    look = embed(video, scene.product) if len(scene.gallery) > 1 else None
    return None if look is None else float(nearest(look, scene.gallery) == product_id)


def _shows_template(scene: Scene, video: Video) -> float | None:
    return None if scene.template_id is None else _shows(scene, video, scene.template_id)


METRICS = (
    Metric(
        name="identity_top1",
        label="identity, top 1",
        says="how often the output looks most like its own photos",
        group="Is it that product?",
        better="↑",
        target="chance",
        chance=True,
        measure=lambda scene, video: _shows(scene, video, scene.product_id),
        of_truth="the ceiling that the measure itself sets",
        of_contenders=True,
        ranks=True,
    ),
    Metric(
        name="swap_followed",
        label="swapped output shows the swapped product",
        says="by the same retrieval",
        group="Is it that product?",
        better="↑",
        chance=True,
        subject="swapped",
        measure=lambda scene, video: _shows(scene, video, scene.partner_id),
    ),
    Metric(
        name="identity_template",
        label="identity, the template's",
        says="how often the output looks most like the template's own product: nothing was transferred",
        group="Is it that product?",
        better="↓",
        chance=True,
        measure=_shows_template,
        of_contenders=True,
        of_track="transfer",
    ),
)
