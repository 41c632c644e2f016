"""All metrics, in the order of `metrics/evaluate.json` and of every table. One more is one line here."""

from __future__ import annotations

from pvtt.evaluation.metrics import change, colour, fvd, identity, motion, perceptual, reconstruction, similarity
from pvtt.evaluation.metrics.metric import Metric

METRICS: tuple[Metric, ...] = (
    *reconstruction.METRICS,
    *perceptual.METRICS,
    *fvd.METRICS,
    *colour.METRICS,
    *motion.METRICS,
    *identity.METRICS,
    *similarity.METRICS,
    *change.METRICS,
)
