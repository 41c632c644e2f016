"""PVTT: product video template transfer.

from pvtt import ProductVideoPipeline, generate
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["ProductVideoPipeline", "__version__", "generate"]

# Where a name is, which is imported when it is first asked for: torch and diffusers take seconds.
_LAZY = {"ProductVideoPipeline": "pvtt.generation.pipeline", "generate": "pvtt.generation.ad.job"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
