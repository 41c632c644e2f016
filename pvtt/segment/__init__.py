"""Which pixels are the product, through a clip: a detector on key frames, a tracker between, and smoothing."""
