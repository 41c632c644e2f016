"""For `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`; needs `pvtt`."""

from pvtt.generation.pipeline import ProductVideoPipeline

__all__ = ["ProductVideoPipeline"]
