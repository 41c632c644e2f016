from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pvtt.items.runner import ItemRejectedError
from pvtt.media.cutouts import encode_png, letterbox


def test_the_product_is_centred_with_its_margin_and_its_shape() -> None:
    picture = np.zeros((300, 400, 4), np.uint8)
    picture[200:300, 0:50] = (200, 30, 30, 255)  # 50 by 100, in a corner
    boxed = letterbox(picture, size=128, margin=0.125)
    rows, columns = np.flatnonzero(boxed[..., 3].any(axis=1)), np.flatnonzero(boxed[..., 3].any(axis=0))
    assert (rows[0], rows[-1]) == (16, 111)
    assert (columns[0], columns[-1]) == (40, 87)
    assert boxed[64, 64].tolist() == [200, 30, 30, 255]


def test_no_background_colour_bleeds_into_the_edge() -> None:
    picture = np.zeros((100, 100, 4), np.uint8)
    picture[..., 1] = 255  # a green background, transparent
    picture[30:70, 30:70] = (200, 30, 30, 255)
    boxed = letterbox(picture, size=77, margin=0.1).astype(int)
    visible = boxed[boxed[..., 3] > 0]
    assert abs(visible[:, :3] - (200, 30, 30)).max() <= 12
    assert boxed[boxed[..., 3] == 0].max() == 0


def test_a_photo_without_anything_in_it_is_rejected() -> None:
    with pytest.raises(ItemRejectedError) as caught:
        letterbox(np.zeros((50, 50, 4), np.uint8), size=64, margin=0.1)
    assert caught.value.reason == "no_product"


def test_equal_pictures_are_equal_bytes() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 4), dtype=np.uint8)
    assert encode_png(picture) == encode_png(picture.copy())
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(picture)))), picture)
