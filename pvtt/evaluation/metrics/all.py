"""All metrics, in the order of `metrics/evaluate.json` and of every table. One more is one line here."""

from __future__ import annotations

from pvtt.evaluation.metrics import (
    camera,
    change,
    colour,
    consistency,
    fvd,
    identity,
    lettering,
    motion,
    perceptual,
    reconstruction,
    seam,
    similarity,
    smoothness,
    vbench,
)
from pvtt.evaluation.metrics.metric import Metric

METRICS: tuple[Metric, ...] = (
    *reconstruction.METRICS,
    *perceptual.METRICS,
    *fvd.METRICS,
    *colour.METRICS,
    *lettering.METRICS,
    *seam.METRICS,
    *motion.METRICS,
    *camera.METRICS,
    *smoothness.METRICS,
    *identity.METRICS,
    *similarity.METRICS,
    *consistency.METRICS,
    *change.METRICS,
    *vbench.METRICS,
)
