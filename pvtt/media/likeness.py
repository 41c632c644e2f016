"""Whether pictures look alike: 64-bit perceptual hashes (pHash) and how many bits they differ in."""

from __future__ import annotations

from pvtt.media.arrays import Frame


def perceptual_hash(picture: Frame) -> int:
    """The pHash of a picture, (H, W, 3) RGB: the signs of its low frequencies, 64 bits."""
    import imagehash
    from PIL import Image

    return int(str(imagehash.phash(Image.fromarray(picture))), 16)


def distance(one: int, other: int) -> int:
    """The bits that two hashes differ in, 0 to 64."""
    return (one ^ other).bit_count()
