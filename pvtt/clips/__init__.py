"""From a product's videos to clips: cuts, shots of legal length and size, one frame rate."""
