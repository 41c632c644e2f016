"""Encoding: what a training step needs of a clip, computed once.

    windows.py   which frames of a clip make a sample
    photos.py    the product's photos, read
    moments.py   whether a photo shows a moment of the clip itself
    pairing.py   what a sample is given of its product: other photos, or the product of other clips
    crop.py      the part of them that is seen: a window that follows the product
    room.py      where another product could stand in a template
    masks.py     the product's mask → the conditioning mask, and both in latent time
    augment.py   one colour change for video and photos
    photo_change.py   a photo's own framing, light, perspective and background
    points.py    points of the product, tracked
    variants.py  what is drawn for each variant of a sample
    foreign.py   films of other sources, for what the base could before
    encode.py    all of it through the base's frozen networks
    store.py     the tensors on disk: their names and shapes, written and read

Masks are 1 where the model generates, everywhere.
"""
