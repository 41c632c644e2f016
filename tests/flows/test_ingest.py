"""The ingest flow: a real crawl of a folder, raw checks, dataset versions in Git."""

from __future__ import annotations

import shutil
import socket
import urllib.request
from pathlib import Path

import pytest

from flows.ingest import describe_changes, ingest, sample_shop
from pvtt.dispatch.command import StepError
from pvtt.params.crawl import CrawlParams
from pvtt.params.file import load_params
from tests.crawl.site import photo_bytes, video_bytes
from tests.flows.conftest import Project, free_port


@pytest.fixture
def catalogue(project: Project, tmp_path: Path) -> Path:
    """A folder of two products, which the project crawls in place of a shop."""
    folder = tmp_path / "catalogue"
    for number, name in enumerate(("RING1", "RING2"), start=1):
        add_product(folder, name, number)
    params = project.workspace.params_file
    source = f"source: folder\n  start: {folder}"
    text = params.read_text().replace("source: shop\n  start: http://127.0.0.1:8765/", source)
    params.write_text(text)
    assert load_params(params).crawl.source == "folder"
    shutil.rmtree(project.workspace.data)  # what the template holds in its place
    project.git("rm", "-q", "--cached", "data.dvc")
    (project.root / "data.dvc").unlink()
    project.git("commit", "-q", "-a", "-m", "Another source")
    return folder


def add_product(folder: Path, name: str, seed: int) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "turn.mp4").write_bytes(video_bytes(seed))
    (folder / name / "front.jpg").write_bytes(photo_bytes(seed))


def test_versions_are_committed_only_when_something_changed(
    project: Project, prefect_api: str, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / "note.txt").write_text("somebody's own work, not to be committed")
    ingest(commit=True)

    assert project.git("log", "-1", "--format=%s") == "Data: +2 products, −0"
    assert project.git("show", "--name-only", "--format=") == "data.dvc"
    assert "Committed: Data: +2 products, −0" in capsys.readouterr().out
    commit = project.git("rev-parse", "HEAD")

    ingest(commit=True)

    assert project.git("rev-parse", "HEAD") == commit
    assert "up to date" in capsys.readouterr().err

    add_product(catalogue, "RING3", 3)
    (catalogue / "RING1" / "back.jpg").write_bytes(photo_bytes(11))
    ingest()

    assert project.git("rev-parse", "HEAD") == commit  # without `commit`, Git is left to the person
    assert project.git("diff", "--name-only") == "data.dvc"

    ingest(commit=True)

    assert project.git("log", "-1", "--format=%s") == "Data: +1 products, −0, 1 changed"


def test_an_error_of_the_crawl_is_the_run_s(project: Project, prefect_api: str, catalogue: Path) -> None:
    shutil.rmtree(catalogue)

    with pytest.raises(StepError, match="there is no folder"):
        ingest()


def test_a_version_that_is_not_here_is_counted_whole() -> None:
    diff = {"added": [], "deleted": [], "modified": [], "renamed": [], "not in cache": [{"path": "data/"}]}

    assert describe_changes(diff, 51) == "Data: 51 products"


class TestSampleShop:
    def test_it_is_served_where_nothing_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = f"http://127.0.0.1:{free_port()}/"
        monkeypatch.setattr("flows.ingest.SAMPLE_SHOP", start)

        with sample_shop(CrawlParams(start=start)), urllib.request.urlopen(start, timeout=10) as answer:
            assert answer.status == 200

        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(start, timeout=10)

    def test_what_already_answers_there_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as own:
            start = f"http://127.0.0.1:{own.getsockname()[1]}/"
            monkeypatch.setattr("flows.ingest.SAMPLE_SHOP", start)
            with sample_shop(CrawlParams(start=start)):
                pass

    @pytest.mark.parametrize(
        "params",
        [
            CrawlParams(start="https://shop.example.com/"),
            CrawlParams(start=f"http://127.0.0.1:{free_port()}/"),
            CrawlParams(source="folder", start="catalogue"),
        ],
        ids=["a shop elsewhere", "a person's own shop here", "a folder"],
    )
    def test_it_is_not_served_for_other_sources(self, params: CrawlParams, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pvtt.builtin.shop.serve.serving", None)  # would fail if called

        with sample_shop(params):
            pass
