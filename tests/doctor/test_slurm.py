"""The doctor's checks of a cluster: over what Slurm prints, and on a real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pvtt.dispatch.profile import JobResources, Requeue, ShardResources, SlurmProfile
from pvtt.doctor.node import describe
from pvtt.doctor.report import MARK, NodeReport, parse_report
from pvtt.doctor.slurm import (
    check_limits,
    check_node,
    check_partitions,
    check_slurm,
    gpus_of,
    minutes_of,
    parse_partitions,
    parse_settings,
)

SINFO = "h800|up|gpu:h800:8(S:0-1)|mix\nh800|up|gpu:h800:8|drain\ncpu*|up|(null)|idle\nold|down|gpu:a100:4|down*\n"
H800 = SlurmProfile(
    partition="h800", gpu_type="h800", shards=ShardResources(gpus=1), run=JobResources(nodes=1, gpus_per_node=8)
)


def states(profile: SlurmProfile) -> list[tuple[str, str]]:
    return [(one.state, one.says) for one in check_partitions(profile, parse_partitions(SINFO))]


def test_gpus_are_counted_by_kind() -> None:
    assert gpus_of("gpu:h800:8(S:0-1),gpu:a100:2", "h800") == 8
    assert gpus_of("gpu:H800:8", "h800") == 8
    assert gpus_of("gpu:4", None) == 4
    assert gpus_of("(null)", "h800") == 0


def test_partitions_that_lack_what_is_asked_for_are_named() -> None:
    assert states(H800) == [("ok", "h800 is up, 8 h800 a node")]
    assert states(H800.model_copy(update={"partition": "h80"})) == [("fault", "h80 (run) is not there")]
    assert states(H800.model_copy(update={"gpu_type": "h100"}))[0][0] == "fault"
    wide = H800.model_copy(update={"run": JobResources(gpus_per_node=16)})
    assert states(wide) == [("fault", "h800 has 8 h800 a node, run asks for 16")]
    assert states(SlurmProfile(partition="old"))[0][0] == "warning"
    assert states(SlurmProfile()) == [("ok", "the default one is up")]
    stage = H800.model_copy(update={"stages": {"clip": ShardResources(partition="gone")}})
    assert ("fault", "gone (stages.clip) is not there") in states(stage)


def test_limits_are_held_against_the_profile() -> None:
    config = parse_settings("Configuration data\nMaxArraySize            = 8\nPreemptMode             = OFF\n")
    assert config == {"MaxArraySize": "8", "PreemptMode": "OFF"}
    partition = parse_settings("PartitionName=h800 GraceTime=30 MaxTime=1-00:00:00 PreemptMode=REQUEUE\n")
    profile = H800.model_copy(update={"requeue": Requeue(signal_s=120)})
    found = {one.name: one for one in check_limits(profile, config, partition)}
    assert {name: one.state for name, one in found.items()} == {
        "array": "fault", "minutes": "ok", "preemption": "warning",
    }  # fmt: skip
    long = profile.model_copy(update={"run": JobResources(minutes=2880), "shards": ShardResources(parallel=7)})
    found = {one.name: one for one in check_limits(long, config, partition)}
    assert found["array"].state == "ok"
    assert found["minutes"].do == "run.minutes: 1440"
    assert [minutes_of(text) for text in ("UNLIMITED", "02:30:00", "2-00:00:00")] == [None, 150, 2880]


def test_a_node_with_other_code_packages_or_time_is_told() -> None:
    here = NodeReport("here", "/venv/bin/python", "/project", "a" * 64, {"torch": "2.8.0"}, 1000.0, 2)
    same = list(check_node(here, here, 990.0, 1010.0))
    assert [one.state for one in same] == ["ok", "ok", "ok"]
    other = NodeReport("n1", "/other/python", "/elsewhere", "b" * 64, {"torch": ""}, 9000.0, 2)
    found = list(check_node(other, here, 990.0, 1010.0))
    assert [one.state for one in found] == ["fault", "fault", "warning"]
    assert "torch missing (here 2.8.0)" in found[1].says


def test_a_report_is_read_out_of_a_noisy_output() -> None:
    assert parse_report("module: loaded\n") is None
    assert parse_report(f"{MARK}{{broken") is None
    assert parse_report(f'{MARK}{{"host": "n1"}}') is None


def test_a_real_cluster_and_its_node(slurm_cluster: SlurmProfile, project_root: Path) -> None:
    found = {one.name: one for one in check_slurm(project_root, slurm_cluster)}
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(
        ["slurm", "partition", "array", "minutes", "preemption", "node's code", "node's packages", "node's clock"], "ok"
    )
    assert str(project_root) in found["node's code"].says
    assert found["node's packages"].says.endswith(sys.executable)
    assert list((project_root / ".pvtt" / "doctor").iterdir()) == []


def test_a_wrong_environment_is_found_by_one_job(slurm_cluster: SlurmProfile, project_root: Path) -> None:
    wrong = slurm_cluster.model_copy(update={"venv": "/nowhere"})
    (node,) = [one for one in check_slurm(project_root, wrong) if one.name == "node"]
    assert node.state == "fault"
    assert "/nowhere/bin/python" in node.says


def test_a_node_that_has_no_time_is_no_fault(slurm_cluster: SlurmProfile, project_root: Path) -> None:
    full = slurm_cluster.model_copy(update={"setup": ("sleep 60",)})
    (node,) = [one for one in check_slurm(project_root, full, timeout_s=1) if one.name == "node"]
    assert "no answer in 1 s" in node.says


def test_a_controller_that_does_not_answer_is_one_fault(
    slurm_cluster: SlurmProfile, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none.conf"))
    monkeypatch.setattr("pvtt.doctor.slurm.ASK_S", 1.0)
    (found,) = check_slurm(project_root, slurm_cluster)
    assert found.state == "fault"
    assert "does not answer" in found.says


def test_this_process_describes_itself(project_root: Path) -> None:
    report = describe()
    assert report.root == str(project_root)
    assert len(report.code) == 64
    assert report.versions["torch"]


def test_runs_of_a_stage_are_looked_at_too() -> None:
    other = H800.model_copy(update={"runs": {"evaluate": JobResources(partition="gone")}})
    assert ("fault", "gone (runs.evaluate) is not there") in states(other)
