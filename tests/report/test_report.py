"""The report's content, and how it behaves in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError
from pvtt.evaluation.scores import all_scores
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_jsonl
from pvtt.records.decision import read_decision
from pvtt.records.evaluation import EvaluatedSample, read_evaluated, read_metrics, write_metrics
from pvtt.report.glossary import groups, meanings
from pvtt.report.media import within_budget
from pvtt.report.page import STYLE
from pvtt.stages import report
from tests.axe import violations
from tests.browser import console_errors, open_browser, wait_for
from tests.evaluated import EvaluatedProject


def test_every_metric_has_a_meaning_and_a_place() -> None:
    names = {score.name for score in all_scores()}
    assert set(meanings()) == names == {score.name for group in groups().values() for score in group}
    assert all(meaning.label and meaning.says for meaning in meanings().values())


def test_it_holds_the_verdict_the_criteria_and_the_commands(page: Path, reported: EvaluatedProject) -> None:
    from html import unescape

    text = unescape(page.read_text())
    decision = read_decision(reported.workspace.metrics / "decision.json")
    assert decision.run_id in text
    assert decision.reason.replace("<=", "≤").replace(">=", "≥") in text
    for criterion in decision.criteria:
        assert criterion.label in text
    for step in decision.next_steps:
        assert step.command in text
    assert decision.beaten_by  # the drawn products look like their photos, the random model's do not
    assert any(sentence.startswith("On test, paste beats the model: product PSNR") for sentence in decision.beaten_by)
    first_screen = text[: text.index("<nav")]
    tally = re.findall(r'<span class="status \w+">(\d+) ([a-z ]+)</span>', first_screen)
    assert sum(int(count) for count, _ in tally) == len(decision.criteria)
    assert {status: int(count) for count, status in tally}["fail"] == sum(
        one.status == "fail" for one in decision.criteria
    )
    assert all(sentence in first_screen for sentence in decision.beaten_by)
    assert "too_short" in text
    assert "1.2 s, need 3 s" in text
    assert re.search(r"\d+ samples by photos, 0 by other clips, 0 without · 0 photos of a clip's own moment", text)


def test_transfers_have_a_table_and_videos_with_their_truth(page: Path, reported: EvaluatedProject) -> None:
    from lxml import html

    tree = html.fromstring(page.read_text())
    tables = [
        table
        for table in tree.get_element_by_id("metrics").iter("table")
        if [cell.text for cell in table.find("thead").iter("th")] == ["metric", "target", "transfer"]
    ]
    assert len(tables) == 1
    assert "identity, the template's" in tables[0].text_content()
    transfers = [one for one in read_evaluated(reported.workspace.out("evaluate")) if one.track == "transfer"]
    assert len(transfers) == 4
    for sample in transfers:
        row = tree.get_element_by_id(sample.key)
        assert [caption.text for caption in row.iter("figcaption")] == [
            "template", "mask (grey)", "photos", "output", "truth"
        ]  # fmt: skip


def test_where_there_are_no_truths_the_reason_stands(reported: EvaluatedProject, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(reported.workspace.root, root)
    workspace = Workspace(root)
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    nothing = {"transfer": "there are no truths in <b>nowhere</b>"}
    write_metrics(workspace.metrics / "evaluate.json", metrics.model_copy(update={"unmeasured": nothing}))
    report.run(workspace, reported.params, InlineDispatcher())
    text = (workspace.out("report") / "report.html").read_text()
    assert "Not measured: there are no truths in &lt;b&gt;nowhere&lt;/b&gt;." in text


def test_it_is_one_file_that_loads_nothing_from_outside(page: Path) -> None:
    text = page.read_text()
    assert page.stat().st_size < 20_000_000
    references = re.findall(r"""(?:src|href)=['"]([^'"]+)""", text)
    assert references
    assert all(reference.startswith(("data:", "#")) for reference in references)
    assert "@import" not in text
    assert "url(http" not in text


def test_equal_inputs_give_equal_bytes(page: Path, reported: EvaluatedProject) -> None:
    before = page.read_bytes()
    report.run(reported.workspace, reported.params, InlineDispatcher())
    assert page.read_bytes() == before


HOSTILE = """<script>alert(1)</script>' onerror='alert(2)' x=\" onload=\"alert(3)"""


def test_text_from_outside_is_no_markup(reported: EvaluatedProject, tmp_path: Path) -> None:
    from lxml import html

    root = tmp_path / "copy"
    shutil.copytree(reported.workspace.root, root)
    samples, rejects = root / "outs" / "evaluate" / "evaluated.jsonl", root / "outs" / "clip" / "rejects.jsonl"
    for path, hostile in (
        (samples, {"caption": HOSTILE, "category": HOSTILE}),
        (rejects, {"item": HOSTILE, "message": HOSTILE}),
    ):
        rows = [json.loads(line) | hostile for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report.run(Workspace(root), reported.params, InlineDispatcher())
    text = (root / "outs" / "report" / "report.html").read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    page = html.fromstring(text)
    assert len(page.findall(".//script")) == 1
    assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]
    assert page.find_class("head")[0].find("span").text == HOSTILE
    assert HOSTILE in page.get_element_by_id("data").text_content()
    assert HOSTILE in page.get_element_by_id("worst").text_content()


def test_videos_beyond_the_budget_are_left_out(reported: EvaluatedProject) -> None:
    out = reported.workspace.out("evaluate")
    samples = [one for one in read_jsonl(out / "evaluated.jsonl", EvaluatedSample) if one.videos]
    sizes = [sum((out / path).stat().st_size for name, path in one.videos.items() if name != "mask") for one in samples]
    assert within_budget(samples, out, budget=0) == set()
    assert within_budget(samples, out, budget=sizes[0]) == {samples[0].key}
    assert within_budget(samples, out) == {sample.key for sample in samples}


def test_missing_inputs_say_what_to_run(reported: EvaluatedProject, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(reported.workspace.root, root)
    (root / "metrics" / "decision.json").unlink()
    with pytest.raises(MissingInputError) as error:
        report.run(Workspace(root), reported.params, InlineDispatcher())
    assert "decide" in (error.value.hint or "")


def test_in_a_browser_videos_play_in_step_and_nothing_fails(page: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        script = browser.execute_script

        def row(number: int) -> list[Any]:
            """[ready, time, paused] of each video of a row."""
            return list(
                script(
                    "return [...document.querySelectorAll('.row')[arguments[0]].querySelectorAll('video')]"
                    ".map(video => [video.readyState, video.currentTime, video.paused])",
                    number,
                )
            )

        count = script("return document.querySelectorAll('.row').length")
        assert count >= 5
        for number in (0, 1, count - 1):
            script("document.querySelectorAll('.row')[arguments[0]].scrollIntoView({behavior: 'instant'})", number)
            wait_for(lambda n=number: all(ready >= 2 and time > 0 for ready, time, _ in row(n)), f"row {number}")
            if number == 0:
                wait_for(lambda: max(t for _, t, _ in row(0)) - min(t for _, t, _ in row(0)) < 0.35, "videos in step")
                before = row(0)[0][1]
                wait_for(lambda before=before: row(0)[0][1] != before, "the time to advance")

        first = browser.find_element("css selector", ".row .play")
        script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", first)
        first.click()
        wait_for(lambda: all(paused for _, _, paused in row(0)), "the row to pause")
        slider = browser.find_element("css selector", ".row input")
        script("arguments[0].value = 500; arguments[0].dispatchEvent(new Event('input'))", slider)
        duration = script("return document.querySelector('.row video').duration")
        wait_for(lambda: all(abs(time - duration / 2) < 0.05 for _, time, _ in row(0)), "all videos at the middle")
        browser.find_element("id", "all").click()
        wait_for(lambda: script("return [...document.querySelectorAll('video')].every(v => v.paused)"), "all to pause")

        assert script("return [...document.images].every(image => image.naturalWidth > 0)")
        assert script("return document.querySelectorAll('.plot svg').length") == 2
        ids = script("return [...document.querySelectorAll('[id]')].map(element => element.id)")
        assert len(ids) == len(set(ids))
        assert script("return [...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")
        assert script("return document.documentElement.scrollWidth <= innerWidth")
        assert console_errors(browser) == []


def test_on_a_phone_each_status_is_in_sight_and_what_is_wider_scrolls_by_keys(page: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        browser.get(page.as_uri())
        script = browser.execute_script
        assert script("return document.documentElement.scrollWidth <= innerWidth")
        rights = script(
            "return [...document.querySelectorAll('#decision .status')].map(e => e.getBoundingClientRect().right)"
        )
        assert rights
        assert all(right <= 390 for right in rights)
        unreachable = script(
            "return [...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1 &&"
            " ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0).map(e => e.className)"
        )
        assert unreachable == []
        assert script("return [...document.querySelectorAll('th')].every(e => e.scope && e.textContent.trim())")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[("light", "dark").index(scheme)]))
    rgb = {name: np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for name, text in colours.items()}

    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for text in ("ink", "soft", "accent", "good", "bad", "wait"):
        tint = 0.14 * rgb[text] + 0.86 * rgb["card"]  # of a status
        for behind in (rgb["card"], rgb["paper"], *([tint] if text in ("good", "bad", "wait") else [rgb["shade"]])):
            dark, bright = sorted((luminance(rgb[text]), luminance(behind)))
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, text


def test_in_every_size_and_colour_the_page_is_for_everyone(page: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        assert violations(browser) == []
        status = browser.find_element("css selector", "#decision td .status")  # still on a phone
        assert 0 <= status.rect["x"] < status.rect["x"] + status.rect["width"] <= 390
        browser.execute_script("for (const one of document.querySelectorAll('header *')) one.style.color = '#ddd'")
        assert any("color-contrast" in fault for fault in violations(browser, "light"))  # it would be seen
