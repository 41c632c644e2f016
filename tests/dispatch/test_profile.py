"""Slurm profiles: the committed ones are complete, and a wrong one says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.dispatch import InlineDispatcher, LocalDispatcher, from_environment
from pvtt.dispatch.profile import SlurmProfile, load_profile
from pvtt.dispatch.slurm import SlurmDispatcher
from pvtt.dispatch.submission import python_of, srun_args
from pvtt.errors import MissingInputError, ParamsError, PvttError
from pvtt.stages.all import PROFILE_PARTS


def test_h800_asks_for_whole_nodes_of_eight_gpus(project_root: Path) -> None:
    profile = load_profile(project_root / "infra" / "slurm" / "h800.yaml", PROFILE_PARTS)
    assert profile.run.gpus_per_node == profile.run.num_processes_per_node == 8
    assert profile.partition
    assert profile.account
    assert profile.venv or profile.container
    assert profile.requeue.max_timeouts > 0
    assert any(key.startswith("NCCL_") for key in profile.env)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shards: {gpu: 1}", "shards.gpu: Extra inputs are not permitted"),
        ("run: {nodes: 0}", "run.nodes: Input should be greater than or equal to 1"),
        ("venv: /a\ncontainer: {runtime: pyxis, image: b}", "venv and container exclude each other"),
        ("shards: [", "is not YAML"),
        ("stages: {clips: {cpus: 2}}", "stages.clips: there is no such stage; the nearest name is clip"),
        ("runs: {evaluation: {nodes: 1}}", "runs.evaluation: there is no such stage; the nearest name is evaluate"),
        ("shards: {gpu: 1}", "shards.gpu: Extra inputs are not permitted; the nearest name is gpus"),
        ("runs: {evaluate: {minute: 1}}", "runs.evaluate.minute: .*; the nearest name is minutes"),
        ("runs: {evaluate: {minutes: 1}}", "runs.evaluate: evaluate works in shards, so nothing would read this"),
        ("stages: {train_stage1: {minutes: 1}}", "stages.train_stage1: train_stage1 works in one job"),
        ("stages: {report: {minutes: 1}}", "stages.report: report has no resources of its own"),
        ("stages: {clip: {memory: 1}}", "stages.clip.memory: .*; the nearest name is memory_gb"),
        ("reservations: urgent", "reservations: .*; the nearest name is reservation"),
        ('comment: "one\\nuid"', "comment: String should match pattern"),
    ],
)
def test_a_wrong_profile_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=message):
        load_profile(path, PROFILE_PARTS)


def test_a_missing_profile_names_those_there_are(project_root: Path) -> None:
    with pytest.raises(MissingInputError) as error:
        load_profile(project_root / "infra" / "slurm" / "h100.yaml", PROFILE_PARTS)
    assert error.value.hint is not None
    assert "h800.yaml" in error.value.hint


def test_the_environment_chooses_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PVTT_DISPATCH", raising=False)
    assert isinstance(from_environment(PROFILE_PARTS), LocalDispatcher)
    monkeypatch.setenv("PVTT_DISPATCH", "local:3")
    assert from_environment(PROFILE_PARTS).num_workers == 3
    monkeypatch.setenv("PVTT_DISPATCH", "inline")
    assert isinstance(from_environment(PROFILE_PARTS), InlineDispatcher)
    for wrong in ("slurm", "local:0", "local:x"):
        monkeypatch.setenv("PVTT_DISPATCH", wrong)
        with pytest.raises(PvttError, match="is not a place to run"):
            from_environment(PROFILE_PARTS)


def test_without_slurm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PvttError, match="sbatch is not installed"):
        SlurmDispatcher(SlurmProfile(), tmp_path).map(len, ["a"], name="t")


@pytest.mark.parametrize(
    ("runtime", "python", "srun"),
    [
        ("pyxis", "python", ["--container-image=i.sqsh", "--container-mounts=/shared:/shared,/d:/d"]),
        ("apptainer", "apptainer exec --nv --bind=/shared:/shared --bind=/d:/d i.sqsh python", []),
    ],
)
def test_a_container_runs_the_work(runtime: str, python: str, srun: list[str]) -> None:
    container = {"runtime": runtime, "image": "i.sqsh", "mounts": ("/shared:/shared", "/d:/d")}
    profile = SlurmProfile.model_validate({"container": container})
    assert python_of(profile) == python
    assert srun_args(profile, 4) == ["--cpus-per-task=4", "--kill-on-bad-exit=1", *srun]
