"""How a saved pipeline names its class, so that stock diffusers finds it offline.

`DiffusionPipeline.from_pretrained` knows the classes of diffusers itself. Another class it finds by a pair in
`model_index.json`, the name of a Python file in the folder and a class in it, and only with `trust_remote_code=True`.
The file that is written here imports the class from the installed `pvtt`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pvtt.files.atomic import atomic_write_text
from pvtt.models.loading import read_model_index

PIPELINE_CLASS = "ProductVideoPipeline"
CLASS_FILE = "pipeline.py"
CLASS_TEXT = f'''"""For `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`; needs `pvtt`."""

from pvtt.generation.pipeline import {PIPELINE_CLASS}

__all__ = ["{PIPELINE_CLASS}"]
'''


def name_pipeline_class(folder: Path) -> None:
    """Let a saved pipeline folder name `ProductVideoPipeline` as its class. Raises as `read_model_index`."""
    index = read_model_index(folder) | {"_class_name": [Path(CLASS_FILE).stem, PIPELINE_CLASS]}
    atomic_write_text(folder / "model_index.json", json.dumps(index, indent=2, sort_keys=True) + "\n")
    atomic_write_text(folder / CLASS_FILE, CLASS_TEXT)
