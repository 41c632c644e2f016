"""A rollback in one command: record, params and model come back, whatever kills it on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.errors import GateShutError, ParamsError, PvttError
from pvtt.files.git import head_commit
from pvtt.files.workspace import Workspace
from pvtt.models.origin import model_sha256
from pvtt.promotion.ledger import PROMOTIONS, add, commit_entry, in_force, read_promotions
from pvtt.promotion.rollback import CHAMPION, PENDING, read_pending, roll_back, steps
from pvtt.promotion.tags import ARTIFACT, tag_promotions
from pvtt.records.promotion import Rollback
from tests.forked import fork
from tests.promotion.records import EVIDENCE, RUN, promotion

KILLED = 9


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Workspace:
    """A repository in which two models were promoted, one after the other; this one and params.yaml are the second's.

    Git holds the models here, as DVC would: `dvc get` brings either.
    """
    workspace = Workspace(tmp_path_factory.mktemp("rolled") / "project")
    root, model = workspace.root, workspace.root / RUN.model
    model.joinpath("transformer").mkdir(parents=True)
    (root / ".gitignore").write_text("/.pvtt/\n/models/\n.tmp-*\n")  # as the project has it
    git(root, "init", "-q")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    params = (project_root / "params.yaml").read_text()
    registry = YAML(typ="safe", pure=True).load(project_root / "dvc.yaml")["artifacts"]
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").touch()
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / "dvc.yaml").write_text(json.dumps({"artifacts": registry}))
    for number in (1, 2):
        (model / "transformer" / "weights.bin").write_text(f"model {number}")
        (model / "model_index.json").write_text("{}")
        (root / "params.yaml").write_text(params.replace("seed: 0", f"seed: {number}", 1))
        git(root, "add", "--all")
        git(root, "commit", "-q", "-m", f"Results {number}")
        run = RUN.model_copy(update={"run_id": str(number) * 12})
        entry = promotion("Ada", run).model_copy(
            update={
                "evidence": EVIDENCE.model_copy(update={"commit": head_commit(root)}),
                "transformer_sha256": model_sha256(model / "transformer"),
            }
        )
        commit_entry(workspace, add(workspace, entry))
        tag_promotions(root)
    return workspace


@pytest.fixture
def workspace(template: Workspace, tmp_path: Path) -> Workspace:
    return copy_of(template, tmp_path / "project")


def copy_of(workspace: Workspace, root: Path) -> Workspace:
    shutil.copytree(workspace.root, root)
    return Workspace(root)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def bring_model_back(workspace: Workspace) -> None:
    """So that a test need not wait for DVC."""
    folder = workspace.root / CHAMPION / "transformer"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_text("model 1")


def require_rolled_back(workspace: Workspace) -> None:
    root = workspace.root
    entries = read_promotions(root)
    champion, last = in_force(entries), entries[-1]
    assert champion is not None
    assert (len(entries), champion.number) == (3, 1)
    assert isinstance(last, Rollback)
    assert (last.withdraws, last.sign_off.person, last.sign_off.reason) == (2, "Grace", "rings are wrong")
    assert "seed: 1" in (root / "params.yaml").read_text()
    assert (root / CHAMPION / "transformer" / "weights.bin").read_text() == "model 1"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%s") == "Promotion 2 rolled back by Grace"
    assert not (workspace.state / PENDING).exists()


def test_record_params_and_model_come_back(workspace: Workspace) -> None:
    roll_back(workspace, "Grace", "rings are wrong")

    require_rolled_back(workspace)
    assert (workspace.root / CHAMPION / "model_index.json").read_text() == "{}"
    assert list((workspace.root / "models").iterdir()) == [workspace.root / CHAMPION]  # nothing is left lying there


def test_the_first_promotion_taken_back_leaves_none_in_force(workspace: Workspace) -> None:
    bring_model_back(workspace)
    roll_back(workspace, "Grace", "rings are wrong")
    roll_back(workspace, "Grace", "and mugs")

    assert in_force(read_promotions(workspace.root)) is None
    assert git(workspace.root, "status", "--porcelain") == ""
    with pytest.raises(GateShutError, match="there is nothing to roll back"):
        roll_back(workspace, "Grace", "again")


def test_dvc_and_gto_read_versions_and_champion_from_the_tags(workspace: Workspace) -> None:
    import gto.api
    from dvc.api import artifacts_show

    root = workspace.root
    first, second = (git(root, "rev-list", "--max-count=1", f"{ARTIFACT}@v{number}.0.0") for number in (1, 2))
    assert git(root, "log", "-1", "--format=%s", first) == "Promotion of run 111111111111: approved by Ada"
    assert artifacts_show(ARTIFACT, version="v1.0.0", repo=str(root)) == {"rev": first, "path": RUN.model}
    assert artifacts_show(ARTIFACT, stage="champion", repo=str(root))["rev"] == second
    assert tag_promotions(root) == []  # all are there

    bring_model_back(workspace)
    roll_back(workspace, "Grace", "rings are wrong")
    assert artifacts_show(ARTIFACT, stage="champion", repo=str(root))["rev"] == first
    assert [one.version for one in gto.api.find_versions_in_stage(root, ARTIFACT, "champion")] == ["v1.0.0"]

    git(root, "tag", "--delete", f"{ARTIFACT}@v2.0.0")  # a clone that lacks it
    assert tag_promotions(root) == [f"{ARTIFACT}@v2.0.0"]
    roll_back(workspace, "Grace", "and mugs")
    assert not gto.api.find_versions_in_stage(root, ARTIFACT, "champion")


@pytest.mark.parametrize("name", ["params.yaml", "promotions/promotions.jsonl", "notes.txt"])
def test_what_is_not_committed_is_never_written_over(workspace: Workspace, name: str) -> None:
    bring_model_back(workspace)
    path = workspace.root / name
    before = (path.read_text() if path.exists() else "") + "\n"
    path.write_text(before)

    with pytest.raises(GateShutError, match=f"not committed: {name}"):
        roll_back(workspace, "Grace", "rings are wrong")

    assert path.read_text() == before
    assert read_pending(workspace) is None
    assert len(read_promotions(workspace.root)) == 2


def killed_at(workspace: Workspace, point: int) -> int:
    """Roll back in a process that is killed before the n-th file is renamed or removed or Git is called to write.

    Returns:
        Its exit code: `KILLED`, or 0 where it came to its end.
    """
    process = fork()
    if process == 0:
        count = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            writes = event in ("os.rename", "os.remove") or (
                event == "subprocess.Popen" and list(arguments[1])[1:2] in (["add"], ["commit"])
            )
            count += writes
            if writes and count == point:
                os._exit(KILLED)

        sys.addaudithook(hook)
        try:
            roll_back(workspace, "Grace", "rings are wrong")
        except BaseException:  # the child must never go on as a second pytest
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_killed_at_any_point_the_same_command_finishes_it(template: Workspace, tmp_path: Path) -> None:
    unfinished = 0
    for point in range(1, 40):
        workspace = copy_of(template, tmp_path / str(point))
        bring_model_back(workspace)
        code = killed_at(workspace, point)
        assert code in (0, KILLED)
        if code == 0:
            break
        unfinished += read_pending(workspace) is not None
        roll_back(workspace, "Grace", "rings are wrong")
        require_rolled_back(workspace)
    else:
        pytest.fail("it never came to its end")
    require_rolled_back(workspace)
    assert unfinished >= 5  # record, params, `git add`, `git commit`, the note itself


def killed_while_recording(workspace: Workspace) -> None:
    bring_model_back(workspace)
    point = 1
    while read_pending(workspace) is None:
        assert killed_at(workspace, point) == KILLED
        point += 1


def test_what_was_changed_while_one_was_unfinished_stays(workspace: Workspace) -> None:
    killed_while_recording(workspace)
    params = workspace.params_file.read_text().replace("seed: 2", "seed: 5", 1)
    workspace.params_file.write_text(params)

    with pytest.raises(GateShutError, match=r"params\.yaml was changed while a rollback was unfinished"):
        roll_back(workspace, "Grace", "rings are wrong")

    assert workspace.params_file.read_text() == params
    git(workspace.root, "checkout", "-q", "--", "params.yaml")
    roll_back(workspace, "Eve", "another")  # finishes Grace's, and begins none
    require_rolled_back(workspace)


def test_one_that_is_out_of_date_is_not_finished(workspace: Workspace) -> None:
    killed_while_recording(workspace)
    commit_entry(workspace, add(workspace, promotion("Edith")))

    with pytest.raises(GateShutError, match="it is out of date"):
        roll_back(workspace, "Grace", "rings are wrong")
    assert len(read_promotions(workspace.root)) == 3


def test_a_model_that_is_not_the_promoted_one_is_not_put_back(workspace: Workspace) -> None:
    entry = promotion("Ada", RUN.model_copy(update={"run_id": "3" * 12})).model_copy(
        update={"evidence": EVIDENCE.model_copy(update={"commit": head_commit(workspace.root)})}
    )  # its transformer's hash is of no model here
    commit_entry(workspace, add(workspace, entry))
    commit_entry(workspace, add(workspace, promotion("Ada", RUN.model_copy(update={"run_id": "4" * 12}))))

    with pytest.raises(GateShutError, match="is not the model of promotion 3"):
        roll_back(workspace, "Grace", "rings are wrong")
    assert not (workspace.root / CHAMPION).exists()

    roll_back(workspace, "Grace", "rings are wrong", record_only=True)
    champion = in_force(read_promotions(workspace.root))
    assert champion is not None
    assert champion.number == 3
    assert "seed: 2" in workspace.params_file.read_text()


def test_params_that_this_code_cannot_read_do_not_come_back(workspace: Workspace) -> None:
    workspace.params_file.write_text("profile: none\n")
    git(workspace.root, "commit", "-q", "-a", "-m", "Of another version")
    other = EVIDENCE.model_copy(update={"commit": head_commit(workspace.root)})
    entry = promotion("Ada").model_copy(update={"evidence": other})
    folder = workspace.root / CHAMPION / "transformer"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_text("of another version")
    entry = entry.model_copy(update={"transformer_sha256": model_sha256(folder)})
    commit_entry(workspace, add(workspace, entry))
    commit_entry(workspace, add(workspace, promotion("Ada", RUN.model_copy(update={"run_id": "4" * 12}))))

    with pytest.raises(ParamsError, match="does not fit this code") as caught:
        roll_back(workspace, "Grace", "rings are wrong")
    assert "--record-only" in (caught.value.hint or "")
    assert read_pending(workspace) is None


def test_it_says_what_it_would_do(workspace: Workspace) -> None:
    commit = git(workspace.root, "log", "--format=%H", "--grep=Results 1")[:12]
    before = git(workspace.root, "rev-parse", "HEAD")

    assert steps(workspace) == [
        f"dvc get . {RUN.model} --rev {commit} -o models/champion",
        f"git checkout {commit} -- params.yaml",
        f"# a line in {PROMOTIONS}: promotion 2 is rolled back",
        "git commit --only promotions params.yaml",
        "# a tag product-video#champion: v1.0.0 is in force",
    ]
    assert git(workspace.root, "rev-parse", "HEAD") == before
    assert git(workspace.root, "status", "--porcelain") == ""


def test_who_and_why_are_asked_for(workspace: Workspace) -> None:
    bring_model_back(workspace)
    with pytest.raises(PvttError, match="reason is empty"):
        roll_back(workspace, "Grace", " ")
