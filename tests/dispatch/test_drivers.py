"""A process that waits for Slurm jobs and ends: what it leaves, and what the next one makes of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvtt.dispatch.profile import SlurmProfile
from tests.dispatch.drivers import Project, mend_cluster, scontrol


@pytest.fixture
def project(slurm_cluster: SlurmProfile, tmp_path: Path) -> Iterator[Project]:
    yield Project(tmp_path, slurm_cluster)
    mend_cluster()


def test_a_killed_driver_s_array_is_taken_over_though_half_of_it_is_done(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: project.is_at_work(3) and len(project.began) == 4, driver)
    project.kill(driver, signal.SIGKILL)
    second = project.start()
    project.until(lambda: project.submissions[0].driver.endswith(f":{second.pid}"), second)
    hold.unlink()
    result, said = project.finish(second)
    assert result == project.undisturbed()
    (submission,) = project.submissions
    assert (submission.state, sorted(project.began)) == ("done", [0, 1, 2, 3])  # sent once, worked on once
    assert f"Slurm job {submission.job_id}, sent " in said
    assert "does this very work: waiting for it" in said


@pytest.mark.proof
def test_an_array_that_ended_unseen_is_taken_as_it_is(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    project.kill(driver, signal.SIGKILL)
    hold.unlink()
    project.until(lambda: not project.queued())
    assert project.finish()[0] == project.undisturbed()
    assert len(project.began) == 4


def test_a_pending_job_of_a_killed_driver_is_taken_over_and_says_that_it_is_held(project: Project) -> None:
    scontrol("update", "PartitionName=main", "State=DOWN")
    try:
        driver = project.start()
        project.until(lambda: project.submissions and project.submissions[0].job_id, driver)
        project.kill(driver, signal.SIGKILL)
        job = str(project.submissions[0].job_id)
        scontrol("uhold", job)
    finally:
        scontrol("update", "PartitionName=main", "State=UP")
    second = project.start()
    project.until(lambda: any(attempt.reason == "JobHeldUser" for attempt in project.attempts), second)
    scontrol("release", job)
    result, said = project.finish(second)
    assert result == project.undisturbed()
    assert len(project.submissions) == 1
    assert (
        f"clip: Slurm job {job}: 2 tasks PENDING (JobHeldUser: held: `scontrol release {job}` lets it go) since" in said
    )


@pytest.mark.proof
def test_other_work_than_the_killed_driver_s_cancels_its_jobs_in_words(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    project.kill(driver, signal.SIGKILL)
    other = Project(project.folder, project.profile, project.count + 1)
    second = other.start()
    project.until(lambda: project.submissions[0].state == "cancelled", second)
    hold.unlink()
    result, said = project.finish(second)
    assert result == other.undisturbed()
    first, second_one = project.submissions
    assert second_one.state == "done"
    assert f"job {first.job_id} of an earlier run (sent {first.submitted_at}, other work" in said


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.proof) for each in (signal.SIGHUP, signal.SIGINT))],
)
def test_a_driver_that_is_told_to_end_leaves_nothing(project: Project, number: signal.Signals) -> None:
    project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    if number is signal.SIGHUP:  # the terminal is gone: whoever writes to it gets an error
        assert driver.stderr is not None
        driver.stderr.close()
        driver.send_signal(number)
        driver.wait(timeout=60)
    else:
        said = project.kill(driver, number)
        assert driver.returncode == (-number if number is signal.SIGINT else 128 + number)
        assert f"cancelling Slurm job {project.submissions[0].job_id}_" in said
    assert project.queued() == []
    assert [each.state for each in project.submissions] == ["cancelled"]


@pytest.mark.proof
def test_a_task_that_died_unseen_costs_its_item_alone(project: Project) -> None:
    hold, kill = project.hold(3), project.folder / "kill-2"
    slow = project.hold(2)
    kill.touch()
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    project.kill(driver, signal.SIGKILL)
    slow.unlink()
    project.until(lambda: project.queued() == [project.job_of(3)])
    second = project.start()
    project.until(lambda: project.submissions[0].driver.endswith(f":{second.pid}"), second)
    hold.unlink()
    assert project.finish(second)[0] == project.undisturbed(2)
    assert [each.num_tasks for each in project.submissions] == [2, 1]
    assert sorted(project.began) == [0, 1, 2, 2, 3]


@pytest.mark.proof
def test_jobs_of_a_ledger_that_is_lost_are_cancelled_in_words(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    job = project.submissions[0].job_id
    project.kill(driver, signal.SIGKILL)
    for file in (project.folder / ".pvtt" / "slurm").glob("jobs.sqlite*"):
        file.unlink()
    second = project.start()
    project.until(lambda: len(project.submissions) == 1, second)
    hold.unlink()
    result, said = project.finish(second)
    assert result == project.undisturbed()
    assert f"clip: Slurm job {job} of an earlier run (nobody knows what they do): cancelling" in said
