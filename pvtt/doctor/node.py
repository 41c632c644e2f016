"""What a node says about itself: `python -m pvtt.doctor.node` prints one line of JSON. Only the standard library."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib import metadata

from pvtt.doctor.report import MARK, NodeReport, code_hash

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


def describe() -> NodeReport:
    """This machine, this Python, and the copy of the code that it runs."""
    root, code = code_hash()
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ""
    return NodeReport(
        host=platform.node(),
        python=sys.executable,
        root=root,
        code=code,
        versions=versions,
        time=time.time(),
        cores=len(os.sched_getaffinity(0)),
    )


if __name__ == "__main__":
    print(MARK + json.dumps(vars(describe())))
