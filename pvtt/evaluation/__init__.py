"""Measures a trained model: fidelity, motion, identity, colour, and whether it uses the photos at all.

Metrics work on 8-bit videos, `Video` (F, H, W, 3) uint8 RGB, and on the product's region in them, `Region` (F, H, W)
bool: what a viewer gets, not what the model holds before rounding.
"""
