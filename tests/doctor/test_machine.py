"""The doctor's checks of this machine: each over facts, and all over real ones."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pvtt.cli.main import main
from pvtt.doctor.finding import Finding, fault, ok, table, warning
from pvtt.doctor.machine import (
    Package,
    answers,
    check_clock,
    check_codecs,
    check_disk,
    check_dvc,
    check_git,
    check_machine,
    check_packages,
    check_prefect,
    check_python,
    check_threads,
    dvc_remotes,
    encoders,
    pinned_packages,
)


@pytest.mark.parametrize(
    ("finding", "state", "says"),
    [
        (check_python((3, 11)), "ok", "Python 3.11"),
        (check_python((3, 9)), "fault", "does not run the project"),
        (check_packages([Package("torch", "2.8.0", "2.8.0+cu128")]), "ok", "1 as requirements.lock pins them"),
        (check_packages([Package("torch", "2.8.0", "2.7.0")]), "fault", "torch 2.7.0 (pinned 2.8.0)"),
        (check_packages([Package("torch", "2.8.0", None)]), "fault", "not installed: torch"),
        (check_packages([Package("axe", "1", "2")]), "warning", "axe 2 (pinned 1)"),
        (check_packages([]), "warning", "pins nothing"),
        (check_disk(50e9, None), "ok", "50 GB free"),
        (check_disk(50e9, 200e9), "fault", "the run takes 200"),
        (check_disk(1e9, None), "warning", "1 GB free"),
        (check_codecs({"libx264": False, "aac": True}), "fault", "no libx264"),
        (check_threads(2, "64"), "warning", "OMP_NUM_THREADS is 64"),
        (check_threads(2, "many"), "fault", "'many'"),
        (check_threads(2, None), "ok", "2 cores"),
        (check_clock(0.0, 1e9), "fault", "before the last commit"),
        (check_git(False, "", ""), "fault", "no Git checkout"),
        (check_git(True, "Ann", ""), "warning", "no name or address"),
        (check_dvc(False, [], None), "fault", ".dvc/"),
        (check_dvc(True, ["far"], None), "warning", "remotes far, but no default"),
        (check_dvc(True, ["far"], "far"), "ok", "remote far"),
        (check_prefect(None, False), "ok", "not set"),
        (check_prefect("http://ann:secret@host:4200/api", False), "fault", "host:4200 does not answer"),
    ],
)
def test_a_fact_is_judged(finding: Finding, state: str, says: str) -> None:
    assert finding.state == state
    assert says in finding.says
    assert bool(finding.do) == (state != "ok")
    assert "secret" not in finding.says + finding.do


def test_pins_are_read_with_their_markers() -> None:
    lock = (
        "numpy==99.0 \\\n    --hash=sha256:00\nnot-there==1.0 ; python_version < '3'\n# a comment\n-e .\n"
        "av==1.0 ; python_version >= '3'\n"
    )
    packages = {one.name: one for one in pinned_packages(lock)}
    assert set(packages) == {"numpy", "av"}
    assert packages["numpy"].pinned == "99.0"
    assert packages["numpy"].installed not in (None, "99.0")


def test_dvc_s_remotes_are_named_without_their_addresses(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://bucket\n")
    (tmp_path / ".dvc" / "config.local").write_text("['remote \"far\"']\n    password = secret%word\n")
    assert dvc_remotes(tmp_path) == (["far"], "far")
    (tmp_path / ".dvc" / "config").write_text("no section\n")
    assert dvc_remotes(tmp_path) == ([], None)


def test_a_server_answers_or_does_not() -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/api"
    assert answers(url)
    assert not answers(f"{url}/other")
    server.shutdown()
    server.server_close()
    assert not answers(url)
    assert not answers("no address")


def test_this_machine_is_looked_at_for_real(project_root: Path) -> None:
    found = {one.name: one for one in check_machine(project_root)}
    assert list(found) == ["python", "packages", "codecs", "disk", "threads", "clock", "git", "dvc", "prefect"]
    assert found["python"].state == found["codecs"].state == "ok"
    assert all(encoders().values())
    assert {one.name: one for one in check_machine(project_root, needed=1e18)}["disk"].state == "fault"


def test_the_table_fits_a_terminal() -> None:
    text = table([ok("a", "b"), warning("longer name", "word " * 40, "do " * 40), fault("c", "x", "y")])
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("1 ok, 1 to know of, 1 to mend")


def test_the_command_names_missing_weights_and_ends_with_1(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(project_root / "params.yaml", tmp_path)
    shutil.copytree(project_root / "infra" / "profiles", tmp_path / "infra" / "profiles")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--profile", "poc", "--json"])
    assert ended.value.code == 1
    findings = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert findings["weights wan2.1-t2v-1.3b"]["do"] == "`pvtt weights fetch wan2.1-t2v-1.3b`"
    assert findings["params"]["state"] == "ok"
    assert findings["git"]["state"] == "fault"
    with pytest.raises(SystemExit):
        main(["doctor", "--profile", "none"])
    assert "there is no profile none" in capsys.readouterr().out
