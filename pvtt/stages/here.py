"""What a report says of this clone alone: commit, date, hours, hardware, cost, change since the last committed run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pvtt.errors import ParamsError, PvttError
from pvtt.files.git import commit_time, commits_of, committed_bytes, head_commit, uncommitted
from pvtt.files.workspace import Workspace, require_output
from pvtt.params.file import Params
from pvtt.records.evaluation import EvaluationMetrics
from pvtt.records.parts import Part
from pvtt.stages.all import STAGES
from pvtt.stages.timing import StageTiming, read_timing

METRICS = "metrics/evaluate.json"
PRICE = "PVTT_MACHINE_PRICE"  # of the machine for an hour, with the currency: `2.50 EUR`
_PRICE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<currency>[^\d\s.,<>]{1,8})")
HELD_OUT: tuple[Part, ...] = ("test", "transfer")
COUNTED = tuple(stage for stage in STAGES if stage.name not in ("decide", "report"))  # seconds each


def write_here(workspace: Workspace, params: Params) -> Path:
    """Write the page and the cards of the last report once more, with these facts, into `.pvtt/report`.

    Args:
        workspace: After the stage `report`.
        params: Its params.

    Returns:
        The page.

    Raises:
        MissingInputError: There is no report.
        PvttError: It is of another run, or `PVTT_MACHINE_PRICE` is no price.
    """
    from pvtt.files.atomic import atomic_directory
    from pvtt.report.cards.data import data_card
    from pvtt.report.cards.model import model_card
    from pvtt.report.collect import collect
    from pvtt.report.page import with_facts

    written = require_output(workspace.out("report") / "report.html", "report")
    inputs, here = collect(workspace, params), facts_here(workspace)
    files = {
        "report.html": with_facts(written.read_text(encoding="utf-8"), inputs, here),
        "cards/model/README.md": model_card(inputs, here),
        "cards/data/README.md": data_card(inputs, here),
    }
    folder = workspace.state / "report"
    with atomic_directory(folder) as out:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
    return folder / "report.html"


def facts_here(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """As (name, value), for the report's first screen.

    Raises:
        ParamsError: `PVTT_MACHINE_PRICE` is no price.
    """
    timings = {stage.name: read_timing(workspace, stage) for stage in COUNTED}
    there = [timing for timing in timings.values() if timing is not None]
    missing = [name for name, timing in timings.items() if timing is None]
    evaluated = timings["evaluate"]
    return (
        ("commit", _commit(workspace)),
        ("date", "not known: made elsewhere" if evaluated is None else f"evaluated {_minute(evaluated.started_at)}"),
        ("hours", _hours(there, missing)),
        ("hardware", _hardware(there)),
        ("cost", _cost(there, missing)),
        ("since the last committed run", _change(workspace)),
    )


def _minute(time: str) -> str:
    """A time in UTC, as a person reads it."""
    return f"{time[:10]} {time[11:16]} UTC"


def _commit(workspace: Workspace) -> str:
    try:
        commit = head_commit(workspace.root)
        changed = uncommitted(workspace.root)
        when = commit_time(workspace.root, commit)
    except PvttError:
        return "none: no repository of Git, or no commit"
    more = f", {len(changed)} uncommitted file{'s' if len(changed) > 1 else ''}" if changed else ""
    return f"{commit[:12]} of {when[:10]}{more}"


def _hours(timings: Sequence[StageTiming], missing: Sequence[str]) -> str:
    if not timings:
        return "not known: made elsewhere"
    longest = sorted(timings, key=lambda timing: -timing.seconds)[:3]
    shown = ", ".join(f"{timing.stage} {timing.seconds / 3600:.2f}" for timing in longest)
    without = f"; without {', '.join(missing)}: made elsewhere" if missing else ""
    return f"{_sum(timings):.2f}, of which {shown}{without}"


def _sum(timings: Sequence[StageTiming]) -> float:
    return sum(timing.seconds for timing in timings) / 3600


def _hardware(timings: Sequence[StageTiming]) -> str:
    machines = dict.fromkeys(
        timing.machine if timing.place.startswith(("local", "inline")) else f"{timing.place}, from {timing.machine}"
        for timing in timings
    )
    return "; ".join(machines) or "not known: made elsewhere"


def read_price() -> tuple[float, str] | None:
    """What an hour of the machine costs, and in which currency; None where `PVTT_MACHINE_PRICE` does not say.

    Raises:
        ParamsError: It is no price.
    """
    text = os.environ.get(PRICE, "").strip()
    if not text:
        return None
    price = _PRICE.fullmatch(text)
    if price is None:
        raise ParamsError(f"{PRICE} is no price: {text!r}", f"a number and a currency: {PRICE}='2.50 EUR'")
    return float(price["number"]), price["currency"]


def _cost(timings: Sequence[StageTiming], missing: Sequence[str]) -> str:
    price = read_price()
    if price is None:
        return f"not known: {PRICE} is not set"
    if not timings:
        return "not known: made elsewhere"
    number, currency = price
    return f"{'at least ' if missing else ''}{_sum(timings) * number:.2f} {currency}, at {number:g} {currency} an hour"


def _change(workspace: Workspace) -> str:
    """Of the product PSNR, against the metrics of HEAD, or those before where HEAD has this very run."""
    here = (workspace.root / METRICS).read_bytes()
    try:
        commits = commits_of(workspace.root, METRICS)
    except PvttError:
        commits = []
    for commit in commits:
        committed = committed_bytes(workspace.root, METRICS, commit)
        if committed is None or committed == here:
            continue
        name = commit[:12]
        try:
            before = EvaluationMetrics.from_json(committed)
        except ValidationError:
            return f"{name} is of another version of the project"
        now = EvaluationMetrics.from_json(here)
        shown = [text for part in HELD_OUT if (text := _moved(before, now, part))]
        return f"product PSNR {' · '.join(shown) or 'not measured'}; more: pvtt report --compare {name} ."
    return "no other run is committed"


def _moved(before: EvaluationMetrics, now: EvaluationMetrics, part: Part) -> str:
    values = [metrics.get(part, "product_psnr") for metrics in (before, now)]
    numbers = [None if value is None else value.value for value in values]
    if numbers[0] is None or numbers[1] is None:
        return ""
    change = numbers[1] - numbers[0]
    return (
        f"{part} {numbers[0]:.2f} → {numbers[1]:.2f} dB ({change:+.2f})"
        if abs(change) >= 0.005
        else f"{part} {numbers[1]:.2f} dB as before"
    )
