"""A pytest plugin: which tests share a process, and in which order processes take them (`pytest -n 4 --dist loadfile`).

The last to be taken ends the run alone, beside an idle core, so what takes minutes is taken first. pytest-xdist takes
what has the most tests first, which puts the end-to-end test last. Its files stay whole, and with them the fixtures of
a module; files that need one and the same expensive fixture of the session stay together, so that it is made once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]
# The longest first; a folder is all of its files.
TOGETHER: dict[str, tuple[str, ...]] = {
    "end to end": ("tests/test_end_to_end.py",),
    "a Prefect server": ("tests/flows",),
    "an evaluated project": (
        "tests/evaluation",
        "tests/report",
        "tests/builtin/wan_tiny/test_champion.py",
        "tests/cli/test_rate.py",
        "tests/ratings/test_server.py",
        "tests/stages/test_params.py",
        "tests/stages/test_decide.py",
        "tests/stages/test_here.py",
    ),
    "a Slurm cluster": ("tests/dispatch", "tests/training/test_places.py", "tests/cli/test_jobs.py"),
    "a benchmark's run": ("tests/bench/test_run.py",),
    "stages that are killed": ("tests/stages/test_kill.py",),
    "ads": ("tests/generation/ad/test_batch.py", "tests/generation/ad/test_job.py", "tests/cli/test_generate.py"),
    "kill and resume": ("tests/training/test_resume.py",),
    "data stages": ("tests/stages/test_data_stages.py",),
    "ablations": ("tests/ablation",),
    "trainings": ("tests/training/test_train.py",),
    "several processes": ("tests/training/test_sharded_training.py", "tests/training/test_sharded_checkpoint.py"),
    "a shop": ("tests/crawl/test_shop.py", "tests/crawl/test_sample_shop.py"),
    "faults of the disk": ("tests/faults",),
    "own code": ("tests/files/test_own_code.py",),
    "pages of the docs": ("tests/generation/test_docs_page.py",),
}


def group_of(file: str) -> str:
    """The group of a test file, a path below the project; one that is in none is a group of its own."""
    for group, members in TOGETHER.items():
        if any(file == member or file.startswith(f"{member}/") for member in members):
            return group
    return file


def pytest_configure() -> None:
    missing = [member for members in TOGETHER.values() for member in members if not (ROOT / member).exists()]
    if missing:
        raise pytest.UsageError(f"tests/schedule.py names what does not exist: {', '.join(missing)}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """`--dist loadfile` by group and in our order."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class GroupScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(super()._split_scope(nodeid))

    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several: the longest first."""
    if hasattr(config, "workerinput"):
        places = {group: place for place, group in enumerate(TOGETHER)}
        items.sort(key=lambda item: places.get(group_of(item.path.relative_to(ROOT).as_posix()), len(places)))
