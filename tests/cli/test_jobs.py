"""`pvtt jobs` over a real Slurm: what it lists, its logs, and what cancelling does to the stage that waits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pvtt.cli.jobs import command
from pvtt.dispatch.profile import SlurmProfile
from pvtt.errors import MissingInputError, PvttError
from tests.dispatch.drivers import Project


def jobs(project: Project, *arguments: str) -> Result:
    here = Path.cwd()
    os.chdir(project.folder)
    try:
        return CliRunner().invoke(command, arguments)
    finally:
        os.chdir(here)


def listed(project: Project, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jobs(project, "ls", "--json", *arguments).output.splitlines()]


def test_jobs_of_a_checkout_that_sent_none(tmp_path: Path) -> None:
    project = Project(tmp_path, SlurmProfile())
    assert jobs(project, "ls").output == "no Slurm job is open\n"
    assert jobs(project, "cost").output == "no Slurm job was sent from this checkout\n"
    assert isinstance(jobs(project, "show", "12").exception, MissingInputError)
    assert jobs(project, "cancel").exit_code == 2
    assert not (tmp_path / ".pvtt").exists()  # looking leaves nothing


def test_a_job_is_listed_shown_read_and_cancelled(slurm_cluster: SlurmProfile, tmp_path: Path) -> None:
    project = Project(tmp_path, slurm_cluster)
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    job = str(project.submissions[0].job_id)
    project.until(lambda: "RUNNING" in jobs(project, "ls").output, driver)
    (view,) = listed(project)
    assert (view["submission"]["stage"], view["submission"]["job_id"], view["answers"]) == ("clip", job, True)
    assert "clip, Slurm job" in jobs(project, "show", f"{job}_1").output
    assert "Starting with JobEnvironment" in jobs(project, "logs", f"{job}_1", "--output", "-n", "0").output
    assert isinstance(jobs(project, "logs", f"{job}_7").exception, MissingInputError)
    assert jobs(project, "cancel", job).output == f"Slurm job {job} (clip) has ended\n"
    result, said = project.finish(driver)
    assert result == {"error": "WorkStoppedError"}
    assert "was cancelled" in said
    assert listed(project) == []
    (view,) = listed(project, "--all")
    assert (view["submission"]["state"], len(view["attempts"])) == ("cancelled", 2)
    assert isinstance(jobs(project, "retry", job).exception, PvttError)
    hold.unlink()
    assert project.finish()[0] == project.undisturbed()
    (cost,) = (json.loads(line) for line in jobs(project, "cost", "--json").output.splitlines())
    assert (cost["stage"], cost["submissions"], cost["useful"], cost["kwh"]) == ("clip", 2, 0.0, None)  # no GPUs
