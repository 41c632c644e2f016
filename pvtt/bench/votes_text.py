"""What people's votes come to, as lines of text that Markdown, LaTeX and the page set in their own ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pvtt.bench.axes import METRICS
from pvtt.records.votes import Figure, VoteSummary

QUESTION = "People: which of two films is better?"
CORRELATION = "Rank correlation of each metric with the votes"
SAYS = (
    "strength: log odds by Davidson's model of ties, on average 0; 1.1 above another is about three wins to one",
    "win rate: an equal counts half a win",
    "Kendall: tau-b of the metric's order and people's, over the pairs that were voted on",
    "Spearman: rho of the contenders' mean figure and strength",
    "both are 1 where the metric, in its better direction, ranks as people do, 0 where it tells nothing",
)


@dataclass(frozen=True)
class Rows:
    """A table of text."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def lead(votes: VoteSummary) -> str:
    """How many votes there are and how far raters agree, or why nothing is measured."""
    outdated = f" {votes.num_outdated} votes on films that were made anew do not count." if votes.num_outdated else ""
    if votes.reason:
        return f"Not measured: {votes.reason}. `pvtt rate --pairs DIR` shows the films of the run in DIR.{outdated}"
    agreement = (
        "no pair has two raters" if votes.agreement is None else f"agreement (alpha) {number(votes.agreement, 2)}"
    )
    ignored = sum(not rater.counts for rater in votes.raters)
    without = f" {ignored} raters who do not prefer the true films do not count." if ignored else ""
    return (
        f"{votes.num_votes} votes of {votes.num_raters} raters on {votes.num_pairs} pairs of films of "
        f"{votes.num_items} triplets; {agreement}. Intervals of 95 % over products.{without}{outdated}"
    )


def vote_tables(votes: VoteSummary) -> list[Rows]:
    """Contenders, each two of them, and metrics; none where nothing is measured."""
    if votes.reason:
        return []
    contenders = [
        (
            named(one.contender),
            figure_text(one.strength, 2),
            figure_text(one.win_rate, 0, share=True),
            str(one.num_votes),
        )
        for one in votes.contenders
    ]
    pairs = [
        (f"{named(one.first)} – {named(one.second)}", str(one.first_wins), str(one.second_wins), str(one.equal))
        for one in votes.pairs
    ]
    known = {metric.name: metric for metric in METRICS}
    metrics = [
        (
            f"{known[one.metric].label} {known[one.metric].better}",
            known[one.metric].axis,
            figure_text(one.kendall, 2),
            str(one.kendall.n),
            figure_text(one.spearman, 2),
        )
        for one in votes.metrics
    ]
    return [
        Rows("Contenders", ("", "strength", "win rate, %", "votes"), tuple(contenders)),
        Rows("Each two", ("", "first wins", "second wins", "equal"), tuple(pairs)),
        Rows(
            "Rank correlation of each metric with the votes",
            ("", "axis", "Kendall", "pairs", "Spearman"),
            tuple(metrics),
        ),
    ]


def rater_table(votes: VoteSummary) -> Rows:
    """Each rater by name, which is for who asked them and stands in no table that is passed on."""
    lines = [
        (
            one.rater,
            str(one.num_votes),
            str(one.num_skipped),
            "none yet" if one.consistency is None else f"{100 * one.consistency:.0f} % of {one.num_repeated}",
            "none yet" if one.truth_rate is None else f"{100 * one.truth_rate:.0f} % of {one.num_truths}",
            "yes" if one.counts else "no",
        )
        for one in votes.raters
    ]
    return Rows("Raters", ("", "votes", "skipped", "same vote again", "true film preferred", "counts"), tuple(lines))


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """The lines of a table as Markdown."""
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def votes_markdown(votes: VoteSummary, *, raters: bool = False) -> str:
    """All of it as Markdown, with the raters where that is asked for."""
    parts = [f"## {QUESTION}", lead(votes)]
    tables = vote_tables(votes)
    for rows in [*tables, *([rater_table(votes)] if raters and votes.raters else [])]:
        parts += [f"### {rows.title}", markdown([rows.head, ("---",) * len(rows.head), *rows.lines])]
    if tables:
        parts.append("\n".join(f"- {line}" for line in SAYS))
    return "\n\n".join(parts)


def figure_text(figure: Figure, decimals: int, *, share: bool = False) -> str:
    """`value [low, high]`, or why there is no value or no interval."""
    if figure.value is None:
        return f"not measured: {figure.reason}"
    times = 100 if share else 1
    value = number(times * figure.value, decimals)
    if figure.low is None or figure.high is None:
        return f"{value} ({figure.reason})" if figure.reason else value
    return f"{value} [{number(times * figure.low, decimals)}, {number(times * figure.high, decimals)}]"


def number(value: float, decimals: int) -> str:
    """With a real minus sign, and no sign where it rounds to 0."""
    text = f"{value:.{decimals}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def named(contender: str, is_control: bool = False) -> str:
    """A contender's name for people."""
    return contender.replace("_", " ") + (" (control)" if is_control else "")
