"""VBench's dimensions (Huang et al. 2024, *VBench*), measured by VBench itself in an environment of its own.

`evaluate.vbench.python` names that environment's Python; `pvtt.evaluation.vbench` runs it over the run's videos. VBench
is under the Apache licence 2.0; the networks that it loads have licences of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from pvtt.evaluation.metrics.metric import Metric
from pvtt.params.evaluate import VbenchDimension

SAYS: Mapping[VbenchDimension, str] = {
    "subject_consistency": "how alike DINO finds each frame, the first and the one before",
    "background_consistency": "the same by CLIP",
    "motion_smoothness": "frames foretold by their neighbours, by AMT",
    "temporal_flickering": "1 less the mean change from frame to frame: a still video has 1",
    "imaging_quality": "noise, blur and exposure, by MUSIQ",
    "aesthetic_quality": "how beautiful LAION's predictor finds the frames",
}


def name_of(dimension: VbenchDimension) -> str:
    """The name of a dimension's metric."""
    return f"vbench_{dimension}"


METRICS = tuple(
    Metric(  # measured over the videos of all samples together
        name=name_of(dimension),
        label=f"VBench {dimension.replace('_', ' ')}",
        says=f"{says}; whole frames, as saved",
        group="By VBench",
        better="↑",
        of_truth="what the real video has itself",
    )
    for dimension, says in SAYS.items()
)
