"""People's votes on a run: in its tables, with the rank correlation of each metric."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvtt.bench.kept import read_run
from pvtt.bench.page import render
from pvtt.bench.sets import SHIPPED
from pvtt.bench.table import make_table
from pvtt.bench.text import to_latex, to_markdown
from pvtt.bench.votes import find_photos, vote_store
from pvtt.bench.votes_text import votes_markdown
from pvtt.errors import MissingInputError, PvttError
from pvtt.records.votes import MetricVotes
from tests.bench.voted import CONTENDERS, TRIPLET_NAMES, cast, vote, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "run")
    return tmp_path / "run"


def metrics(run: Path) -> dict[str, MetricVotes]:
    return {one.metric: one for one in make_table(run).votes.metrics}


def test_metrics_that_rank_as_people_do_correlate_and_others_say_why_not(run: Path) -> None:
    cast(run, {"ann": "figures", "bob": "figures"})
    found = metrics(run)
    for name, wanted in (("product_psnr", 1), ("product_delta_e", 1), ("flicker", -1)):
        assert (found[name].kendall.value, found[name].kendall.n) == (wanted, 9)
        low, high = found[name].kendall.low, found[name].kendall.high
        assert low is not None
        assert high is not None
        assert low <= wanted <= high
        assert high - low > 1  # of three products
        assert (found[name].spearman.value, found[name].spearman.n) == (pytest.approx(wanted), 3)
    assert found["ssim"].kendall.reason == "the metric is the same for both films of every pair"
    assert found["ssim"].spearman.reason == "all contenders are equal"
    assert found["clip_i"].kendall.reason == found["clip_i"].spearman.reason == "no figures"


def test_votes_against_the_figures_turn_the_correlation(run: Path) -> None:
    cast(run, {"ann": "figures", "bob": "left", "eve": "left"})  # left is the worse one by figures
    found = metrics(run)["product_psnr"]
    assert found.kendall.value == -1
    assert found.spearman.value == pytest.approx(-1)


def test_two_contenders_have_no_correlation_over_contenders(run: Path) -> None:
    for triplet in TRIPLET_NAMES:
        vote_store(run).append(vote(run, "ann", triplet, "paste", "model", "right"))
    found = metrics(run)["product_psnr"]
    assert (found.kendall.value, found.spearman.reason) == (1, "needs 3 contenders")


def test_votes_stand_in_markdown_latex_and_the_page_and_name_nobody(run: Path) -> None:
    cast(run, {"ann of example": "figures", "bob": "figures"})
    table = make_table(run)
    texts = {"md": to_markdown(table), "tex": to_latex(table), "html": render(table)}
    for text in texts.values():
        assert "18 votes of 2 raters on 9 pairs of films of 3 triplets; agreement (alpha) 1.00." in text
        assert "Rank correlation of each metric with the votes" in text
        assert "ann of example" not in text
    assert "| paste | −" in texts["md"]
    assert "| inpaint – model | 0 | 6 | 0 |" in texts["md"]
    assert texts["tex"].count(r"\begin{tabular}") == texts["tex"].count(r"\end{tabular}") == 4 + 3
    assert r"win rate, \%" in texts["tex"]
    assert texts["html"].count("<table>") == texts["html"].count("</table>")
    assert "| ann of example | 9 | 0 | none yet | none yet | yes |" in votes_markdown(table.votes, raters=True)


def test_without_votes_it_is_not_measured_and_says_how(run: Path) -> None:
    table = make_table(run)
    said = "Not measured: nobody has voted. `pvtt rate --pairs DIR`"
    assert said in to_markdown(table)
    assert f"% People: which of two films is better? {said}" in to_latex(table)
    assert said in render(table)


def test_votes_on_films_that_were_made_anew_do_not_count(run: Path) -> None:
    cast(run, {"ann": "figures"})
    write_run(run, without=("model", TRIPLET_NAMES[0]))  # two of its pairs have other films now
    votes = make_table(run).votes
    assert (votes.num_votes, votes.num_outdated) == (7, 2)
    assert "2 votes on films that were made anew do not count" in votes_markdown(votes)


def test_a_damaged_vote_names_its_line(run: Path) -> None:
    cast(run, {"ann": "figures"})
    path = vote_store(run).path("ann")
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(PvttError, match=r"jsonl:1: not a Vote"):
        make_table(run)


def test_photos_are_of_the_bench_of_the_run(run: Path, tmp_path: Path) -> None:
    record = read_run(run)
    photos = find_photos(record)
    assert set(photos) == set(TRIPLET_NAMES)
    assert all(photo.is_file() for own in photos.values() for photo in own)
    elsewhere = record.model_copy(update={"bench": "a/folder/of/another/machine"})
    assert find_photos(elsewhere) == photos  # the shipped bench is the same one
    other = record.model_copy(update={"bench_sha256": "f" * 64})
    with pytest.raises(PvttError, match="another bench"):
        find_photos(other)
    with pytest.raises(MissingInputError, match="is not there"):
        find_photos(other.model_copy(update={"bench": "gone"}))
    shutil.copytree(SHIPPED, tmp_path / "bench", ignore=lambda _, names: {"gallery"} & set(names))
    copied = record.model_copy(update={"bench": str(tmp_path / "bench")})
    lost = find_photos(copied)[TRIPLET_NAMES[0]][0]
    lost.unlink()
    with pytest.raises(MissingInputError, match=lost.name):
        find_photos(copied)


def test_contenders_stand_in_the_runs_order(run: Path) -> None:
    cast(run, {"ann": "figures"})
    assert [one.contender for one in make_table(run).votes.contenders] == list(CONTENDERS)
