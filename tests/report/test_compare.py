"""Runs side by side: what compares, by how much they differ, and where each of them is found."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pvtt.cli.main import command, main
from pvtt.errors import MissingInputError, PvttError
from pvtt.report.compare.page import render_comparison
from pvtt.report.compare.pictures import picture_rows
from pvtt.report.compare.record import ComparedCell, RunComparison
from pvtt.report.compare.sources import find_run
from pvtt.report.compare.table import MAX_RUNS, compare_runs
from pvtt.report.compare.text import compared_latex, compared_markdown
from tests.axe import violations
from tests.browser import console_errors, open_browser
from tests.evaluated import EvaluatedProject
from tests.report.latex import require_latex
from tests.report.runs import copy_run, edit, rename_run, shift

BETTER, OTHER_WAY = "b" * 12, "c" * 12


@pytest.fixture
def runs(reported: EvaluatedProject, project_root: Path, tmp_path: Path) -> Path:
    """A folder with `first`; `better`, by half a dB and of another champion; and `apart`, measured in another way."""
    root = reported.workspace.root
    first, better, apart = (
        copy_run(root, tmp_path / "runs" / name, project_root) for name in ("first", "better", "apart")
    )
    rename_run(better, BETTER)
    shift(better, "product_psnr", 0.5)
    edit(better / "outs/evaluate/run.json", lambda run: run.update(champion_sha256="0" * 64))
    params = (better / "params.yaml").read_text()
    (better / "params.yaml").write_text(params.replace("\nseed: 0", "\nseed: 7"))
    rename_run(apart, OTHER_WAY)
    edit(apart / "outs/evaluate/run.json", lambda run: run["fingerprint"]["protocol"].update(num_steps=99))
    assert first.is_dir()
    return tmp_path / "runs"


def compared(root: Path, *names: str) -> RunComparison:
    return compare_runs([find_run(name, root, root) for name in names])


def cell(comparison: RunComparison, part: str, metric: str, place: int) -> ComparedCell:
    return next(row.cells[place] for row in comparison.rows if (row.part, row.name) == (part, metric))


def test_what_was_measured_alike_compares_and_its_difference_is_paired(runs: Path) -> None:
    comparison = compared(runs, "first", "better")
    assert [run.compares for run in comparison.runs] == ["first", "yes"]
    assert "their figures compare" in comparison.says
    for part in ("test", "transfer"):
        found = cell(comparison, part, "product_psnr", 1)
        assert found.difference is not None
        assert found.difference.value == pytest.approx(0.5)
        assert (found.difference.low, found.difference.high) == pytest.approx((0.5, 0.5))
        assert found.difference.excludes_zero
        assert found.best
        assert not cell(comparison, part, "product_psnr", 0).best
        same = cell(comparison, part, "psnr", 1).difference
        assert same is not None
        assert (same.value, same.excludes_zero) == (0.0, False)
        assert not cell(comparison, part, "psnr", 1).best  # nor is it the best where both are equal
    assert cell(comparison, "train", "product_psnr", 0).difference is None
    assert [(row.key, row.values) for row in comparison.params] == [("seed", (0, 7))]


def test_contenders_that_were_another_model_have_no_difference(runs: Path) -> None:
    comparison = compared(runs, "first", "better")
    names = {row.name for row in comparison.rows if row.cells[1].difference is not None}
    assert {"product_psnr", "product_psnr_untrained"} <= names
    assert not [name for name in names if "champion" in name]
    edit(runs / "better/outs/evaluate/run.json", lambda run: run["fingerprint"].update(base_sha256="1" * 64))
    names = {row.name for row in compared(runs, "first", "better").rows if row.cells[1].difference is not None}
    assert "product_psnr" in names
    assert not [name for name in names if "untrained" in name]


def test_what_was_measured_in_another_way_says_so_first_and_has_no_difference(runs: Path) -> None:
    comparison = compared(runs, "first", "better", "apart")
    assert [run.compares for run in comparison.runs] == ["first", "yes", "no"]
    assert any(why.startswith("protocol.num_steps") and "99" in why for why in comparison.runs[2].why)
    assert all(row.cells[2].difference is None and not row.cells[2].best for row in comparison.rows)
    page = render_comparison(comparison, ())
    assert "do not compare with its: apart" in page[: page.index("<nav")]
    assert "do not compare with its: apart" in compared_markdown(comparison).split("##")[0]
    assert "do not compare with its: apart" in compared_latex(comparison).splitlines()[0]


@pytest.mark.parametrize("lost", ["run.json", "evaluated.jsonl"])
def test_what_is_not_here_is_said_and_not_guessed(runs: Path, lost: str) -> None:
    (runs / "better" / "outs" / "evaluate" / lost).unlink()
    comparison = compared(runs, "first", "better")
    assert comparison.runs[1].compares == ("unknown" if lost == "run.json" else "yes")
    assert "better" in (comparison.runs[1].missing or "")
    assert all(row.cells[1].difference is None for row in comparison.rows)
    assert cell(comparison, "test", "product_psnr", 1).value is not None
    assert ("is not known here: better" in comparison.says) == (lost == "run.json")


def test_outputs_of_another_run_than_the_metrics_are_not_taken_for_theirs(runs: Path) -> None:
    edit(runs / "better/outs/evaluate/run.json", lambda run: run.update(run_id="d" * 12))
    run = compared(runs, "first", "better").runs[1]
    assert run.compares == "unknown"
    assert "is of run dddddddddddd" in (run.missing or "")


def test_every_format_has_every_run_metric_and_param(runs: Path) -> None:
    comparison = compared(runs, "first", "better", "apart")
    texts = (compared_markdown(comparison), compared_latex(comparison), render_comparison(comparison, ()))
    require_latex(texts[1])
    for text in texts:
        assert all(run.run_id in text for run in comparison.runs)
        assert "seed" in text
        assert "+0.5 [+0.5, +0.5]" in text.replace("\\[", "[").replace("\\]", "]")
    labels = {row.label for row in comparison.rows}
    assert all(label.split("/")[0].split("'")[0] in texts[0] for label in labels)
    rows = [line for line in texts[0].splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    assert {line.count("&") - line.count("\\&") for line in texts[1].splitlines() if line.endswith(r"\\")} == {3}
    assert RunComparison.from_json(comparison.to_json()) == comparison


def test_the_same_samples_stand_side_by_side(runs: Path) -> None:
    found = [find_run(name, runs, runs) for name in ("first", "better")]
    comparison = compare_runs(found)
    rows = picture_rows(found, comparison)
    assert rows[0].part == "transfer"
    assert [title for title, _ in rows[0].pictures] == ["template", "truth", "first", "better"]
    assert all(picture is not None and picture.startswith("data:image/png") for _, picture in rows[0].pictures)
    for number, sample in enumerate(one for one in found[1].samples if one.part == "transfer" and one.videos):
        video = runs / "better/outs/evaluate" / sample.videos["generated"]
        video.write_bytes(b"no video") if number else video.unlink()
    lost = picture_rows(found, comparison)
    assert [[picture is None for _, picture in row.pictures][2:] for row in lost[:2]] == [[False, True]] * 2
    data = [run.model_copy(update={"dataset_sha256": sha * 64}) for run, sha in zip(comparison.runs, "12", strict=True)]
    assert picture_rows(found, comparison.model_copy(update={"runs": tuple(data)})) == ()  # not the same samples


HOSTILE = "<script>alert(1)</script>|`x`\n\\input{y}"


def test_text_of_a_run_is_no_markup(runs: Path) -> None:
    from lxml import html

    params = (runs / "better/params.yaml").read_text()
    (runs / "better/params.yaml").write_text(f"{params}\n{json.dumps(HOSTILE)}: {json.dumps(HOSTILE)}\n")
    samples = runs / "first/outs/evaluate/evaluated.jsonl"
    rows = [json.loads(line) | {"caption": HOSTILE} for line in samples.read_text().splitlines()]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [find_run(name, runs, runs) for name in ("first", "better")]
    comparison = compare_runs(found)
    assert HOSTILE in [row.key for row in comparison.params]
    tree = html.fromstring(render_comparison(comparison, picture_rows(found, comparison)))
    assert tree.findall(".//script") == []
    assert "alert(1)" in tree.get_element_by_id("params").text_content()
    assert "alert(1)" in tree.get_element_by_id("pictures").text_content()
    assert "<script>" not in compared_markdown(comparison)
    assert r"\input" not in compared_latex(comparison)


@pytest.mark.parametrize("name", ["nothing", "--upload-pack=x", "a\0b", "x" * 5000, "HEAD", "refs/exps"])
def test_a_name_of_nothing_says_what_there_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingInputError, match="no folder, no revision of Git and no experiment") as error:
        find_run(name, tmp_path, tmp_path)
    assert "git log" in (error.value.hint or "")


def test_broken_files_name_the_run_and_what_to_do(runs: Path) -> None:
    (runs / "better/metrics/evaluate.json").write_text('{"run_id": 3}')
    with pytest.raises(PvttError, match=r"metrics/evaluate\.json of better: not a EvaluationMetrics") as error:
        find_run("better", runs, runs)
    assert "later commit" in (error.value.hint or "")
    (runs / "better/metrics/evaluate.json").unlink()
    with pytest.raises(MissingInputError, match="better has no metrics") as error:
        find_run("better", runs, runs)
    assert "dvc repro evaluate" in (error.value.hint or "")
    (runs / "apart/params.yaml").write_text("a: [")
    with pytest.raises(PvttError, match=r"params\.yaml of apart is not YAML"):
        find_run("apart", runs, runs)


def test_one_run_or_one_twice_cannot_stand_side_by_side(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs / "first")
    for names in ([], ["."], [".", "."], [str(number) for number in range(MAX_RUNS + 1)]):
        with pytest.raises(PvttError, match="side by side"):
            command.main(["report", "--compare", *names], prog_name="pvtt", standalone_mode=False)
    with pytest.raises(SystemExit) as ended:
        main(["report", "."])
    assert ended.value.code == 2


@pytest.fixture
def history(runs: Path) -> Path:
    """`first` under Git and DVC; its second commit, also an experiment's, is `better`, and the folder is `apart`."""
    from dvc.repo import Repo

    root = runs / "first"

    def git(*arguments: str) -> None:
        person = ("-c", "user.name=Sam", "-c", "user.email=sam@example.org")
        subprocess.run(["git", *person, *arguments], cwd=root, check=True, capture_output=True)

    def commit(message: str) -> None:
        repo.add(str(root / "outs/evaluate"))
        git("add", "--all")
        git("commit", "-m", message)

    git("init", "-b", "main")
    repo = Repo.init(str(root))
    commit("first")
    for other in ("better", "apart"):
        for name in ("metrics", "outs/evaluate"):
            shutil.rmtree(root / name)
            shutil.copytree(runs / other / name, root / name)
        shutil.copy(runs / other / "params.yaml", root)
        if other == "better":
            commit("better")
            git("update-ref", "refs/exps/ab/cdef0123456789/wide-photos", "HEAD")
            git("reset", "--hard", "HEAD")
    repo.close()
    return root


def test_revisions_and_experiments_come_from_git_and_dvcs_cache(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(history)
    out = tmp_path / "mine"
    out.mkdir()
    (out / "kept.txt").write_text("mine")
    main(["report", "--compare", "HEAD~1", "wide-photos", ".", "--json", "-o", str(out)])
    comparison = RunComparison.from_json(capsys.readouterr().out)
    assert [run.name for run in comparison.runs] == ["HEAD~1", "wide-photos", "."]
    assert [run.compares for run in comparison.runs] == ["first", "yes", "no"]
    assert [run.commit is None for run in comparison.runs] == [False, False, True]  # the folder's is not committed
    assert comparison.runs[1].run_id == BETTER
    found = cell(comparison, "test", "product_psnr", 1)
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.5)
    assert {path.name for path in out.iterdir()} == {
        "kept.txt", "compare.html", "compare.md", "compare.tex", "compare.json"
    }  # fmt: skip
    page = (out / "compare.html").read_text()
    assert page.count('alt="HEAD~1 of ') == page.count('alt="wide-photos of ') >= 1
    shutil.rmtree(history / ".dvc/cache")
    main(["report", "--compare", "HEAD~1", "HEAD"])
    said = capsys.readouterr().out
    assert "is not known here: HEAD" in said
    assert str(history / ".pvtt/compare") in said


def test_in_every_size_and_colour_a_comparison_is_for_everyone(runs: Path, tmp_path: Path) -> None:
    found = [find_run(name, runs, runs) for name in ("first", "better", "apart")]
    comparison = compare_runs(found)
    few = [row for row in comparison.rows if row.part in ("test", "transfer")][::12]  # axe looks at each cell
    assert any(one.difference is not None for row in few for one in row.cells)
    comparison = comparison.model_copy(update={"rows": tuple(few)})
    page = tmp_path / "compare.html"
    page.write_text(render_comparison(comparison, picture_rows(found, comparison)), encoding="utf-8")
    with open_browser(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        assert violations(browser) == []  # the last look is the phone's
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        said = browser.find_element("css selector", "header .beaten")
        assert said.rect["y"] + said.rect["height"] <= 844
        assert browser.execute_script("return [...document.images].every(image => image.naturalWidth > 0)")
        assert console_errors(browser) == []
