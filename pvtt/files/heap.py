"""What a process does with memory that was freed."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MIB = 2**20
MMAP_THRESHOLD, TRIM_THRESHOLD = 256 * MIB, 512 * MIB  # whole models' tensors above stay the system's to take back
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
GPU = Path("/dev/nvidiactl")  # with one, tensors that come and go are not this memory's


def keep_freed_memory() -> None:
    """Have glibc give freed buffers to the next that ask, instead of to the system, which clears every page anew.

    Torch takes a buffer for each result on a CPU, and glibc maps and unmaps those above 32 MiB one by one. Decoding
    four videos of the tiny profile took 2.9-3.3 s of computing and 1.8-1.9 s in the kernel as glibc has it, and 3.0-3.4
    and 0.03-0.3 s with this, for 180 MiB more at the peak of 1,330. Not on a machine with a GPU, not where glibc's own
    variables are set, and not with another allocator or C library.
    """
    if GPU.exists() or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
