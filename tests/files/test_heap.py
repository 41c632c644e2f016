from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

MAPPED = """
import ctypes
from pathlib import Path
from pvtt.files import heap

class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

heap.GPU = Path("{gpu}")
heap.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.mallinfo2.restype = MallInfo
before = libc.mallinfo2().hblkhd
libc.malloc(100 * heap.MIB)
print(libc.mallinfo2().hblkhd - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("gpu", "variables", "is_kept"),
    [
        ("/nowhere", {}, True),
        ("/dev/null", {}, False),
        ("/nowhere", {"MALLOC_ARENA_MAX": "2"}, False),
    ],
)
def test_a_large_buffer_is_of_the_heap_and_stays_with_it(
    project_root: Path, gpu: str, variables: dict[str, str], is_kept: bool
) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_"))}
    done = subprocess.run(
        [sys.executable, "-c", MAPPED.format(gpu=gpu)],
        cwd=project_root,
        env=own | {"PYTHONPATH": str(project_root)} | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    assert (int(done.stdout) == 0) == is_kept
