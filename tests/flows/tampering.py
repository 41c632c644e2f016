"""Attempts to promote what should not be, each on a real project: `python -m tests.flows.tampering` writes the page.

    a run that succeeded, committed ──► an attempt ──► python -m flows.promote ──► a row of docs/tampering.md

A row is what came of it. `tests/flows/test_tampering.py` makes all of them again and holds the page to it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from click.testing import CliRunner

from flows.promote import main
from pvtt.files.workspace import Workspace
from pvtt.promotion.ledger import PROMOTIONS
from pvtt.records.evaluation import EvaluatedSample
from tests.flows.gated import ROOT, Gated, clean_environment

PAGE = ROOT / "docs" / "tampering.md"
HEADER = """\
# What stops a run from being promoted that should not be?

`python -m tests.flows.tampering` writes this page: it makes each attempt on a real project under Git and DVC, whose run
has succeeded, and asks the gate. A test makes them all again. *What stops it* is the gate's own word, cut to what is
the same on every machine. Exit code 0: it passes, and is seen. How the gate works: [promotion](promotion.md).

The gate's own checks are tested by faults in turn: a check skipped, a tolerance opened, the wrong commit compared.
`tests/promotion/mutations.py` has 161. The 96 that tests of its records are to show in all do;
`pytest tests/benchmarks/test_gate_mutations.py -s` plants all, with these attempts among the tests, and says which test
shows which.

| attempt | what stops it | exit code |
|---|---|---|
"""
Samples = list[EvaluatedSample]
Change = Callable[[Gated], None]


@dataclass(frozen=True)
class Attempt:
    """What someone does, and the words that must stop it.

    Args:
        says: For the page.
        do: On a project whose run has succeeded, with everything committed.
        stopped_by: Part of what the gate says.
        arguments: Of `python -m flows.promote`.
        approved_by: Someone who answers the gate, once it waits: a login, name and address. None: nobody is asked.
    """

    says: str
    do: Change
    stopped_by: str
    arguments: tuple[str, ...] = ("check",)
    approved_by: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Row:
    """What came of an attempt."""

    says: str
    stopped_by: str
    exit_code: int

    def __str__(self) -> str:
        return f"| {self.says} | {self.stopped_by} | {self.exit_code} |"


def nothing(project: Gated) -> None:
    """Leave all as it is."""


def with_metric(name: str, value: float) -> Callable[[Samples], Samples]:
    """The samples with a metric of the first one raised."""

    def change(samples: Samples) -> Samples:
        first, *others = samples
        return [first.model_copy(update={"metrics": {**first.metrics, name: value}}), *others]

    return change


def edit(name: str, pattern: str, by: str) -> Change:
    """Replace the first match of a pattern in a file."""

    def do(project: Gated) -> None:
        path = project.root / name
        text, count = re.subn(pattern, by, path.read_text(), count=1)
        assert count == 1
        path.write_text(text)

    return do


def of_decision(project: Gated) -> None:
    edit("metrics/decision.json", r'("name": "psnr",[^}]*?"value": )[\d.]+', r"\g<1>41.5")(project)
    project.commit("decide")


def of_summary(project: Gated) -> None:
    edit("metrics/evaluate.json", r'("psnr": {\s*"value": )[\d.]+', r"\g<1>41.5")(project)
    project.decide()
    project.commit("evaluate", "decide")


def of_a_sample(project: Gated) -> None:
    project.edit_samples(with_metric("product_psnr", 48.5))
    project.commit("evaluate", "decide")


def in_all_files(name: str, value: float) -> Change:
    """A metric of all samples, and all that is computed from it."""

    def do(project: Gated) -> None:
        project.edit_samples(
            lambda samples: [one.model_copy(update={"metrics": {**one.metrics, name: value}}) for one in samples]
        )
        project.summarise()
        project.commit("evaluate", "decide")

    return do


def without_a_film(project: Gated) -> None:
    """The films with other photos are not there any more: nothing says what their figures are of."""

    def less(sample: EvaluatedSample) -> EvaluatedSample:
        return sample.model_copy(update={"videos": {n: p for n, p in sample.videos.items() if n != "swapped"}})

    project.edit_samples(lambda samples: [less(sample) for sample in samples])
    project.commit("evaluate", "decide")


def without_a_sample(project: Gated) -> None:
    project.edit_samples(lambda samples: samples[1:])
    project.summarise()
    project.commit("evaluate", "decide")


def keeping_times(project: Gated) -> None:
    path = project.workspace.out("evaluate") / "evaluated.jsonl"
    before = path.stat()
    data = path.read_bytes().replace(b'"caption":"a red disc"', b'"caption":"a red disk"', 1)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_film(project: Gated) -> None:
    for swapped in project.workspace.out("evaluate").glob("videos/*/*/swapped.mp4"):
        swapped.with_name("generated.mp4").unlink()
        shutil.copy(swapped, swapped.with_name("generated.mp4"))
    project.commit("evaluate")


def another_model(project: Gated) -> None:
    config = project.workspace.out("train_stage2") / "model" / "scheduler" / "scheduler_config.json"
    text = config.read_text().rstrip().rstrip("}").rstrip() + ', "another": 1}'
    config.unlink()
    config.write_text(text)
    project.commit("train_stage2", "evaluate", "decide")


def uncommitted_code(project: Gated) -> None:
    (project.root / "loss.py").write_text("weight = 2\n")


def params_after_the_run(project: Gated) -> None:
    edit("params.yaml", r"train_psnr: 25.0", "train_psnr: 24.0")(project)
    project.commit()


def lowered_target(project: Gated) -> None:
    edit("params.yaml", r"train_psnr: 25.0", "train_psnr: 24.0")(project)
    project.decide()
    project.commit("decide")


def other_data(project: Gated) -> None:
    (project.root / "data" / "products" / "new.txt").write_text("a tenth disc")
    project.dvc("add", "--quiet", "data")
    project.commit()


def without_ratings(project: Gated) -> None:
    shutil.rmtree(project.workspace.ratings)
    project.workspace.ratings.mkdir()
    (project.workspace.ratings / "README.md").write_text("ratings\n")
    project.decide()
    project.commit("decide")


def of_the_tiny_profile(project: Gated) -> None:
    edit("params.yaml", r"profile: poc", "profile: tiny")(project)
    project.decide()
    project.commit("decide")


def line_by_hand(project: Gated) -> None:
    path = project.root / PROMOTIONS
    path.parent.mkdir()
    path.write_text('{"kind": "promotion"}\n')
    project.commit()


def two_gpus(project: Gated) -> None:
    edit("infra/slurm/h800.yaml", r"gpus_per_node: 8", "gpus_per_node: 2")(project)
    project.commit()


SUBMITTER_AGAIN = ("ada", "Sam S.", "sam@example.org")

ATTEMPTS = (
    Attempt("none: the run as it is", nothing, "The gate would open to another person's approval"),
    Attempt(
        "a figure of metrics/decision.json is edited, `dvc commit -f`",
        of_decision,
        "metrics/decision.json: criteria.1.value is 41.5, the measurements and ratings give",
    ),
    Attempt(
        "a figure of metrics/evaluate.json is edited, the decision made anew, `dvc commit -f`",
        of_summary,
        "metrics/evaluate.json: train.psnr.value is 41.5, the samples' own records give",
    ),
    Attempt("a sample's own figure is edited, `dvc commit -f`", of_a_sample, "metrics.blank_gain is"),
    Attempt(
        "all samples' figures are edited, summary and decision made anew, `dvc commit -f`",
        in_all_files("psnr", 48.5),
        "psnr is 48.5, the kept generated.mp4 gives",
    ),
    Attempt(
        "all samples' flicker is edited, summary and decision made anew, `dvc commit -f`",
        in_all_files("relative_flow_warp_error", 0.05),
        "relative_flow_warp_error is 0.05, the kept generated.mp4 gives",
    ),
    Attempt(
        "all samples' figures of a pasted photo are edited, summary and decision made anew, `dvc commit -f`",
        in_all_files("product_delta_e_paste", 60.0),
        "product_delta_e_paste is 60, its clip and photos give",
    ),
    Attempt(
        "the films with other photos are taken out of the record, `dvc commit -f`",
        without_a_film,
        "a kept film cannot be read: no swapped.mp4 is recorded",
    ),
    Attempt(
        "a sample is left out, summary and decision made anew, `dvc commit -f`",
        without_a_sample,
        "is missing, though it was to be evaluated",
    ),
    Attempt(
        "bytes of evaluated.jsonl are changed, its size and times kept",
        keeping_times,
        "outs/evaluate/evaluated.jsonl: its hash is",
    ),
    Attempt("the films that people see are exchanged, `dvc commit -f`", another_film, "the kept generated.mp4 gives"),
    Attempt(
        "another model is put in the evaluated one's place, `dvc commit -f`",
        another_model,
        "outs/evaluate/run.json: run_id is",
    ),
    Attempt("code that is not committed", uncommitted_code, "not committed: loss.py"),
    Attempt(
        "params are changed after the run",
        params_after_the_run,
        "the results are not of this code, params and data: decide are stale",
    ),
    Attempt("data are changed after the run", other_data, "the results are not of this code, params and data: clip"),
    Attempt(
        "a target is lowered, and decided anew",
        lowered_target,
        "Lowered target: decide.train_psnr is 24, the experiment document asks 25",
    ),
    Attempt("nobody has rated the videos", without_ratings, "the verdict is incomplete, not success"),
    Attempt(
        "a run of the tiny profile",
        of_the_tiny_profile,
        "the run is of the profile tiny, which says nothing of poc's model",
    ),
    Attempt("a line is written into promotions.jsonl by hand", line_by_hand, "not a PromotionLine"),
    Attempt("14B does not fit the GPUs", two_gpus, "the prod run doesn't fit infra/slurm/h800.yaml"),
    Attempt("who submitted the run approves it", nothing, "the same email", arguments=(), approved_by=SUBMITTER_AGAIN),
    Attempt("nobody answers", nothing, "nothing is promoted", arguments=("--timeout-hours", "0.0003")),
)


def make(attempt: Attempt, template: Path, folder: Path) -> Row:
    """Make an attempt on a copy of the project.

    Args:
        attempt: What is tried.
        template: The project, as `tests.flows.gated` builds it.
        folder: Where the copy may be.
    """
    root = folder / "project"
    shutil.copytree(template, root, symlinks=True)
    project = Gated(Workspace(root))
    attempt.do(project)
    if attempt.approved_by is not None:
        code, said = wait_for(project, attempt.approved_by)
    else:
        with working_in(root):
            result = CliRunner().invoke(main, list(attempt.arguments))
        code, said = result.exit_code, result.output
    return Row(attempt.says, attempt.stopped_by if attempt.stopped_by in said else said.strip(), code)


def wait_for(project: Gated, approver: tuple[str, str, str]) -> tuple[int, str]:
    """Ask for a promotion, and answer it as this person: the exit code, and all that was printed."""
    environment = clean_environment() | {"PREFECT_API_URL": prefect_address()}
    asking = subprocess.Popen(
        [sys.executable, "-u", "-m", "flows.promote"],
        cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert asking.stdout is not None
    shown, run = "", None
    while run is None and (line := asking.stdout.readline()):
        shown += line
        run = re.search(r"flows\.promote approve (\S+)", shown)
    assert run is not None, shown
    _wait_until_paused(UUID(run[1]))
    approve(project, run[1], approver)
    rest, _ = asking.communicate(timeout=300)
    return asking.returncode, shown + rest


def _wait_until_paused(run: UUID, seconds: float = 300) -> None:
    from prefect.client.orchestration import get_client

    end = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while (state := client.read_flow_run(run).state) is None or not state.is_paused():
            assert time.monotonic() < end, state
            time.sleep(0.2)


def approve(project: Gated, run: str, approver: tuple[str, str, str]) -> None:
    """Answer a promotion that waits, in another person's login and Git identity."""
    login, name, email = approver
    person = {"LOGNAME": login, "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email}
    words = ["approve", run, "--person", name, "--reason", "the videos convince me"]
    with working_in(project.root):
        done = CliRunner().invoke(main, words, env=person)
    assert done.exit_code == 0, done.output


def prefect_address() -> str:
    """Of the server that this process talks to."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """With `folder` as this process's."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_page(rows: Sequence[Row]) -> str:
    """The whole page."""
    return HEADER + "".join(f"{row}\n" for row in rows)


def run() -> None:
    from prefect.testing.utilities import prefect_test_harness

    from tests.flows.gated import build_gated_project
    from tests.small_networks import save_clip

    with tempfile.TemporaryDirectory() as scratch, prefect_test_harness(server_startup_timeout=300):
        folder = Path(scratch)
        template = build_gated_project(folder / "template", save_clip(folder / "clip")).root
        rows = []
        for number, attempt in enumerate(ATTEMPTS):
            (folder / str(number)).mkdir()
            rows.append(make(attempt, template, folder / str(number)))
            print(rows[-1], flush=True)
            shutil.rmtree(folder / str(number))
    PAGE.write_text(write_page(rows), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    run()
