"""Messages to a real HTTP receiver; one that fails costs nothing and learns nobody its address."""

from __future__ import annotations

import json

import pytest

from flows.notify import VARIABLE, notify
from flows.pipeline import pipeline
from pvtt.dispatch.command import StepError
from tests.flows.conftest import Project, free_port
from tests.flows.receiver import SECRET, receiver


def test_a_verdict_and_a_failure_are_told(project: Project, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as (url, sent):
        monkeypatch.setenv(VARIABLE, url)
        pipeline(ingest=False)
        project.mark("fail", "clip")
        params = project.workspace.params_file
        params.write_text(params.read_text() + "\n")
        (project.root / "data" / "products" / "JEWE001" / "note.txt").write_text("another ring")
        with pytest.raises(StepError):
            pipeline(ingest=False)

    verdict, failure = sent
    assert (verdict["event"], verdict["verdict"], verdict["run_id"]) == ("verdict", "success", "0123456789ab")
    assert "success: All criteria passed." in verdict["text"]
    assert (failure["event"], failure["error"]) == ("failure", "clip: 5 of 9 items failed")
    assert failure["hint"] == "read outs/clip/rejects.jsonl"
    assert failure["flow"] == "pipeline"
    assert failure["flow_run"] != verdict["flow_run"]


@pytest.mark.parametrize("fault", ["refuses", "answers 500", "no address", "no scheme of the web"])
def test_a_receiver_that_fails_is_a_line_without_its_address(
    fault: str, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(500) as (url, _):
        addresses = {
            "refuses": f"http://127.0.0.1:{free_port()}/{SECRET}",
            "answers 500": url,
            "no address": f"http://[{SECRET}",
            "no scheme of the web": f"file:///{SECRET}",
        }
        monkeypatch.setenv(VARIABLE, addresses[fault])
        notify("verdict", "success")

    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert VARIABLE in shown
    assert SECRET not in shown
    assert "127.0.0.1" not in shown


def test_a_password_in_a_message_is_left_out(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as (url, sent):
        monkeypatch.setenv(VARIABLE, url)
        notify("failure", "no answer from https://me:xyzzy@shop.example/", error="at https://me:xyzzy@shop.example/")

    assert "xyzzy" not in json.dumps(sent)
    assert "shop.example" in sent[0]["error"]
