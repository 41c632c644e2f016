"""A bench of two or three triplets of the small one, the shortest, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from pvtt.bench.sets import SHIPPED, BenchSet, read_bench
from pvtt.builtin.bench.build import list_files
from pvtt.records.bench import BENCH_FILE, TRIPLETS

ONE_SHOT, TWO_SHOTS = "017-pendant-as-pendant", "006-ring-as-box"  # of 19 and 23 frames


def small_bench(folder: Path, names: tuple[str, ...] = (ONE_SHOT, TWO_SHOTS)) -> BenchSet:
    """Write these triplets of the small bench into a folder, and read them."""
    for name in names:
        shutil.copytree(SHIPPED / TRIPLETS / name, folder / TRIPLETS / name)
    (folder / BENCH_FILE).write_text(list_files(folder, names).to_json())
    return read_bench(folder)
