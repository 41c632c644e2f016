"""What a report says of this clone alone: hours, hardware and cost of the outputs that are there, and the commit."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pvtt.cli.main import main
from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError, ParamsError, PvttError
from pvtt.files.workspace import Workspace
from pvtt.stages import decide, report
from pvtt.stages.all import find_stage
from pvtt.stages.here import PRICE, facts_here, write_here
from pvtt.stages.timing import describe_machine, note_timing, read_timing
from tests.evaluated import EvaluatedProject

STARTED = 1_900_000_000.0  # 2030-03-17


@pytest.fixture
def workspace(evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(PRICE, raising=False)
    shutil.copytree(evaluated_project.workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def note(workspace: Workspace, name: str, seconds: float) -> None:
    stage = find_stage(name)
    assert stage is not None
    note_timing(workspace, stage, STARTED, seconds)


def git(root: Path, *arguments: str) -> str:
    person = ("-c", "user.name=Sam", "-c", "user.email=sam@example.org")
    done = subprocess.run(["git", *person, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_hours_and_cost_are_of_the_outputs_that_are_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(workspace, "evaluate", 5400)
    note(workspace, "encode", 1800)
    facts = dict(facts_here(workspace))
    assert facts["date"] == "evaluated 2030-03-17 17:46 UTC"
    assert facts["hours"].startswith("2.00, of which evaluate 1.50, encode 0.50; without clip,")
    assert facts["hardware"] == describe_machine()
    assert facts["cost"] == f"not known: {PRICE} is not set"
    assert facts["commit"].startswith("none")
    monkeypatch.setenv(PRICE, "2.50 EUR")
    assert dict(facts_here(workspace))["cost"] == "at least 5.00 EUR, at 2.5 EUR an hour"
    with (workspace.out("encode") / "encoded.jsonl").open("a") as file:
        file.write("\n")  # DVC has brought another version
    assert dict(facts_here(workspace))["hours"].startswith("1.50, of which evaluate 1.50; without")
    evaluate = find_stage("evaluate")
    assert evaluate is not None
    (workspace.state / "timings" / "evaluate.json").write_text("{")
    assert read_timing(workspace, evaluate) is None
    assert dict(facts_here(workspace))["cost"] == "not known: made elsewhere"
    for wrong in ("much", "-2 EUR", "2", "1e3 EUR"):
        monkeypatch.setenv(PRICE, wrong)
        with pytest.raises(ParamsError, match=PRICE):
            facts_here(workspace)


def test_the_commit_and_what_changed_since_the_last_one_with_another_run(workspace: Workspace) -> None:
    root = workspace.root
    git(root, "init", "-b", "main")
    git(root, "add", "metrics")
    git(root, "commit", "-m", "a run")
    first = git(root, "rev-parse", "HEAD")
    assert dict(facts_here(workspace))["since the last committed run"] == "no other run is committed"
    path = workspace.metrics / "evaluate.json"
    data = json.loads(path.read_text())
    old = data["test"]["product_psnr"]["value"]
    data["test"]["product_psnr"]["value"] = old + 1
    path.write_text(json.dumps(data | {"run_id": "b" * 12}))
    for _ in ("not committed", "committed"):
        facts = dict(facts_here(workspace))
        assert f"test {old:.2f} → {old + 1:.2f} dB (+1.00)" in facts["since the last committed run"]
        assert facts["since the last committed run"].endswith(f"pvtt report --compare {first[:12]} .")
        assert facts["commit"].startswith(git(root, "rev-parse", "HEAD")[:12])
        assert "uncommitted file" in facts["commit"]
        git(root, "add", "metrics")
        git(root, "commit", "--allow-empty", "-m", "another")


def test_a_clones_page_has_its_facts_in_the_first_screen_and_dvcs_has_none(
    workspace: Workspace, evaluated_project: EvaluatedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = evaluated_project.params
    with pytest.raises(MissingInputError, match="report"):
        write_here(workspace, params)
    decide.run(workspace, params, InlineDispatcher())
    report.run(workspace, params, InlineDispatcher())
    kept = (workspace.out("report") / "report.html").read_text()
    note(workspace, "evaluate", 3600)
    page = write_here(workspace, params)
    assert page == workspace.state / "report" / "report.html"
    assert (workspace.out("report") / "report.html").read_text() == kept
    screen, rest = page.read_text().split("</header>", 1)
    for name in ("commit", "date", "data", "hours", "hardware", "cost", "seeds", "contenders"):
        assert f"<dt>{name}</dt>" in screen
    for name in ("against the champion", "since the last committed run"):
        assert f"<dt>{name}</dt>" in screen
    assert "evaluated 2030-03-17" in screen
    assert rest == kept.split("</header>", 1)[1]
    assert "2030" not in kept.split("</header>", 1)[0]
    assert "pvtt report --here" in kept.split("</header>", 1)[0]
    assert "evaluated 2030-03-17" in (page.parent / "cards/model/README.md").read_text()
    (workspace.out("report") / "report.html").write_text(kept.replace("<title>", "<title>old "))
    write_here(workspace, params)
    other = workspace.metrics / "decision.json"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"run_id": "e" * 12}))
    with pytest.raises(PvttError, match="not of run eeeeeeeeeeee"):
        write_here(workspace, params)


def test_a_wrong_price_is_told_before_the_report_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PRICE, "much")
    with pytest.raises(SystemExit) as ended:
        main(["report"])
    assert ended.value.code == 2
    assert f"next: a number and a currency: {PRICE}='2.50 EUR'" in capsys.readouterr().err


def test_every_stage_notes_how_long_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    from tests.scenes import add_product, draw_shot, video_bytes

    workspace = Workspace(tmp_path / "project")
    add_product(workspace, "P1", [video_bytes(tmp_path, [draw_shot(1, 14)[0]], fps=8.0)])
    shutil.copy(project_root / "params.yaml", workspace.root)
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("PVTT_DISPATCH", "inline")
    main(["clip"])
    clip = find_stage("clip")
    assert clip is not None
    timing = read_timing(workspace, clip)
    assert timing is not None
    assert timing.seconds > 0
    assert timing.place == "inline"
