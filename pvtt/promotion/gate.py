"""The gate in front of the large run. It is shut unless everything below holds.

The verdict is success, of a run of the 1.3B profile, with every criterion measured; what was evaluated is exactly what
is committed: the same code, params and data; the figures agree with what they were computed from (`audit.py`) and with
the films (`remeasure.py`); the run is a step forward from the champion (`champion.py`). Then a person is asked, who may
not be the one who submitted it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pvtt.decision.criteria import lowered_targets
from pvtt.decision.decide import UNMEASURED
from pvtt.errors import GateShutError
from pvtt.files.git import head_commit, last_author, login, own_identity, uncommitted
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, load_params
from pvtt.promotion.audit import audit
from pvtt.promotion.champion import compare, promoted_samples
from pvtt.promotion.ledger import in_force, read_promotions, read_samples
from pvtt.promotion.lock import data_version, evaluated_data_version
from pvtt.records.decision import Decision, read_decision
from pvtt.records.evaluation import EvaluatedSample, EvaluationRun, read_evaluated, read_metrics, read_run
from pvtt.records.promotion import Account, Comparison, Evidence, PromotedSample

if TYPE_CHECKING:
    from pvtt.evaluation.samples import Chosen

NUM_NAMED = 5
PROFILE = "poc"  # whose runs may be promoted: 1.3B
RESULTS = ("dvc.lock", "metrics/decision.json")  # who commits these has submitted the run


@dataclass(frozen=True)
class Candidate:
    """A run at the gate.

    Args:
        run: Its evaluation.
        samples: What it reached on each.
        evidence: What the gate looks at.
    """

    run: EvaluationRun
    samples: Sequence[PromotedSample]
    evidence: Evidence


def read_candidate(
    workspace: Workspace, stale: Collection[str], word: str = "", measured: Collection[str] = ()
) -> Candidate:
    """The run of this checkout. Its figures are computed once more; films are measured only where all else is in order.

    Args:
        workspace: The checkout.
        stale: Stages that DVC would redo.
        word: Which samples' films are measured again depends on it, besides on run and data.
        measured: Samples whose films are not, since they have been.

    Raises:
        MissingInputError: Something hasn't run yet.
        PvttError: There is no commit, a file is not in its format, or earlier promotions are not what was recorded.
    """
    from pvtt.evaluation.samples import choose

    root = workspace.root
    entries = read_promotions(root)
    params = load_params(workspace.params_file)
    decision = read_decision(workspace.metrics / "decision.json")
    run = read_run(workspace.out("evaluate") / "run.json")
    contradictions = audit(workspace, params)
    samples, chosen = read_evaluated(workspace.out("evaluate")), choose(workspace, params)
    reached: list[PromotedSample] = []
    comparison = Comparison(champion=None, says="not compared: the samples are not those that were to be evaluated")
    if {(one.part, one.key) for one in samples} == {(one.part, one.entry.key) for one in chosen}:
        champion, reached = in_force(entries), promoted_samples(samples, chosen)
        then = [] if champion is None else read_samples(root, champion)
        comparison = compare(champion, then, run, reached, samples, params.promote)
    evidence = Evidence(
        verdict=decision.verdict,
        profile=params.profile,
        run_id=decision.run_id,
        evaluated_run_id=run.run_id,
        commit=head_commit(root),
        data_version=data_version(root),
        evaluated_data_version=evaluated_data_version(root),
        metrics_sha256=sha256_tree(workspace.metrics),
        uncommitted=uncommitted(root),
        stale=tuple(sorted(stale)),
        unmeasured=unmeasured(decision),
        lowered_targets=lowered_targets(params.decide),
        contradictions=contradictions,
        audited=(),
        submitters=submitters(workspace),
        comparison=comparison,
    )
    if not find_objections(evidence):
        films = Films(samples, chosen, seed_of_draw(evidence, word), measured)
        evidence = _measured_again(workspace, params, evidence, films)
    return Candidate(run, reached, evidence)


@dataclass(frozen=True)
class Films:
    """Of which some are measured again.

    Args:
        samples: All that were evaluated.
        chosen: All that were to be.
        seed: Of the draw.
        measured: Samples that have been.
    """

    samples: Sequence[EvaluatedSample]
    chosen: Sequence[Chosen]
    seed: str
    measured: Collection[str]


def _measured_again(workspace: Workspace, params: Params, evidence: Evidence, films: Films) -> Evidence:
    """With what the films of a few samples give: the last question, since it takes minutes."""
    from pvtt.evaluation.contenders.all import measured_routes
    from pvtt.promotion.remeasure import remeasure

    routes = measured_routes(read_metrics(workspace.metrics / "evaluate.json"))
    found = remeasure(workspace, params, films.samples, films.chosen, routes, films.seed, films.measured)
    return evidence.model_copy(
        update={
            "contradictions": found.faults,
            "audited": found.keys,
            "measured_again": found.metrics,
            "not_measured_again": found.left,
        }
    )


def seed_of_draw(evidence: Evidence, word: str) -> str:
    """What decides which films are measured again: another commit of the same figures draws no others."""
    return f"{evidence.run_id} {evidence.data_version} {word}"


def unmeasured(decision: Decision) -> tuple[str, ...]:
    """What a decision lacks, whatever its verdict: criteria without a value, and ratings; a phrase each."""
    words = {"not_measured": "not measured", "too_few": "of too few samples"}
    found = [f"{one.label} is {words[one.status]}" for one in decision.criteria if one.status in UNMEASURED]
    ratings = decision.ratings
    if ratings is not None and ratings.status != "measured":
        found.append(f"{ratings.num_videos} of {ratings.num_videos_to_rate} test videos have enough raters")
    return tuple(found)


def find_objections(evidence: Evidence) -> list[str]:
    """Why the gate stays shut; empty: it opens to a person's approval."""
    objections = []
    if evidence.verdict != "success":
        objections.append(f"the verdict is {evidence.verdict}, not success")
    if evidence.profile != PROFILE:
        objections.append(f"the run is of the profile {evidence.profile}, which says nothing of {PROFILE}'s model")
    if evidence.run_id != evidence.evaluated_run_id:
        objections.append(f"the decision is about run {evidence.run_id}, evaluated is {evidence.evaluated_run_id}")
    if evidence.stale:
        objections.append(f"the results are not of this code, params and data: {', '.join(evidence.stale)} are stale")
    if evidence.data_version != evidence.evaluated_data_version:
        objections.append(
            f"data.dvc is version {evidence.data_version[:12]}, evaluated was {evidence.evaluated_data_version[:12]}"
        )
    if evidence.uncommitted:
        objections.append(f"not committed: {_first(evidence.uncommitted, ', ')}")
    if evidence.unmeasured:
        objections.append(f"unmeasured: {', '.join(evidence.unmeasured)}")
    if evidence.contradictions:
        objections.append(_first(evidence.contradictions, "; "))
    return [*objections, *evidence.comparison.faults]


def _first(named: Sequence[str], between: str) -> str:
    more = f"{between}and {len(named) - NUM_NAMED} more" if len(named) > NUM_NAMED else ""
    return f"{between.join(named[:NUM_NAMED])}{more}"


def measured_twice(shown: Evidence, now: Evidence) -> Evidence:
    """What was measured again of a run in two draws, as one.

    Args:
        shown: As a person was shown it.
        now: After their answer.

    Raises:
        GateShutError: They are of other results.
    """
    names = ("audited", "measured_again", "not_measured_again")
    both = {name: tuple(dict.fromkeys((*getattr(shown, name), *getattr(now, name)))) for name in names}
    both["not_measured_again"] = tuple(one for one in both["not_measured_again"] if one not in both["measured_again"])
    if now.model_copy(update=both) != shown.model_copy(update=both):
        raise GateShutError("the results changed while the gate waited: nothing was recorded", "start it again")
    return now.model_copy(update=both)


def require_open(evidence: Evidence) -> None:
    """Raise `GateShutError` with every objection."""
    objections = find_objections(evidence)
    if objections:
        raise GateShutError(
            f"run {evidence.run_id} cannot be promoted: {'; '.join(objections)}",
            "run `make run` (or `dvc repro`), commit dvc.lock, data.dvc and metrics, and read the report's verdict",
        )


def own_account(workspace: Workspace) -> Account:
    """Who is at work here. Raises `PvttError` where Git does not know."""
    identity = own_identity(workspace.root)
    return Account(login=login(), name=identity.name, email=identity.email)


def submitters(workspace: Workspace) -> tuple[Account, ...]:
    """Who committed the run's results last."""
    authors = [last_author(workspace.root, path) for path in RESULTS]
    found = [Account(login="", name=one.name, email=one.email) for one in authors if one is not None]
    return tuple(dict.fromkeys(found))


def require_another_person(approver: Account | None, others: Sequence[Account]) -> None:
    """Nobody approves a run that they submitted.

    Args:
        approver: Who approves; None: not known.
        others: Who committed the results, and who asked for the promotion.

    Raises:
        GateShutError: The approver is one of them: by Git's name or address or by the machine's login.
    """
    if approver is None:
        raise GateShutError(
            "who approves is not known: an answer on the run's page has no account",
            "approve with `python -m flows.promote approve`, which says who you are; refusing works on the page too",
        )
    for other in others:
        for field in ("email", "name", "login"):
            mine, theirs = (" ".join(getattr(one, field).split()).casefold() for one in (approver, other))
            if mine and mine == theirs:
                raise GateShutError(
                    f"{approver} would approve what {other} has submitted: the same {field}",
                    "another person approves, with their own login and Git name and address",
                )
