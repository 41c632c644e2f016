"""`python -m pvtt.builtin.bench.publish DIR`: the hashes that a build of the bench is held against.

They are of two kinds. A plan's is of what a triplet is rendered from: products, studios, lights, camera moves, lengths,
photos. It needs no renderer, is the same on every machine, and is there of all 120. A file's is of what one machine's
graphics driver and encoder made of it, and is there of the triplets that DIR has whole.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pvtt.builtin.bench.build import HASHES, list_files
from pvtt.builtin.bench.plan import plan_sha256, plans
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_write_text
from pvtt.records.bench import TRIPLET_FILE, TRIPLETS, Bench


def hashes_of(folder: Path) -> Bench:
    """The plans of all triplets, and the files of those that are in a bench's folder."""
    every = plans(False)
    rendered = [plan.name for plan in every if (folder / TRIPLETS / plan.name / TRIPLET_FILE).is_file()]
    if not rendered:
        raise PvttError(f"{folder} has no triplet of the bench", "give the folder of `pvtt bench build`")
    return list_files(folder, rendered).model_copy(update={"plans": {plan.name: plan_sha256(plan) for plan in every}})


if __name__ == "__main__":
    atomic_write_text(HASHES, hashes_of(Path(sys.argv[1])).to_json(indent=1) + "\n")
