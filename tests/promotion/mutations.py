"""Faults that someone could make, or plant, in the gate's own checks, and the tests that each of them shows in first.

A check that is skipped, an equality that is loosened, a tolerance that is opened, the wrong thing compared, a sign.
"""

# ruff: noqa: E501  (texts stand as they do in the source)

from __future__ import annotations

from dataclasses import dataclass

from tests.mutate import Mutation


@dataclass(frozen=True)
class Fault:
    """A fault of the gate.

    Args:
        mutation: What is planted.
        shows_in: The tests that are run first: how their ids begin.
    """

    mutation: Mutation
    shows_in: str


def _of(module: str, shows_in: str, *faults: tuple[str, str], package: str = "pvtt") -> tuple[Fault, ...]:
    return tuple(Fault(Mutation(module, text, fault, package), shows_in) for text, fault in faults)


UNIT = "tests/promotion/"
GATE = "tests/flows/test_gate.py"
TAMPERING = "tests/flows/test_tampering.py"
FOLDERS = (UNIT, GATE, TAMPERING)


def _attempt(says: str) -> str:
    return f"{TAMPERING}::test_what_came_of_an_attempt_stands_on_the_page[{says}"


FAULTS = (
    *_of(
        "promotion.gate",
        f"{UNIT}test_gate.py",
        ('if evidence.verdict != "success":', 'if evidence.verdict == "incomplete":'),
        ('if evidence.verdict != "success":', "if False:"),
        ('PROFILE = "poc"', 'PROFILE = "tiny"'),
        ("if evidence.profile != PROFILE:", "if False:"),
        ("if evidence.run_id != evidence.evaluated_run_id:", "if evidence.run_id != evidence.run_id:"),
        ("if evidence.stale:", "if len(evidence.stale) > 1:"),
        ("if evidence.data_version != evidence.evaluated_data_version:",
         "if len(evidence.data_version) != len(evidence.evaluated_data_version):"),
        ("if evidence.uncommitted:", "if len(evidence.uncommitted) > NUM_NAMED:"),
        ("if evidence.unmeasured:", "if False:"),
        ("if evidence.contradictions:", "if len(evidence.contradictions) > NUM_NAMED:"),
        ("return [*objections, *evidence.comparison.faults]", "return objections"),
        ("    if objections:\n        raise GateShutError(", "    if len(objections) > 2:\n        raise GateShutError("),
        ("    if approver is None:\n", "    if approver is None:\n        return\n"),
        ('for field in ("email", "name", "login"):', 'for field in ("email", "name"):'),
        ('for field in ("email", "name", "login"):', 'for field in ("email", "login"):'),
        ('for field in ("email", "name", "login"):', 'for field in ("name", "login"):'),
        ("if mine and mine == theirs:", "if mine and mine != theirs:"),
        ("if mine and mine == theirs:", "if mine == theirs:"),
        ('" ".join(getattr(one, field).split()).casefold()', '" ".join(getattr(one, field).split())'),
        ('" ".join(getattr(one, field).split()).casefold()', "getattr(one, field).casefold()"),
        ("    for other in others:", "    for other in others[:1]:"),
        ('RESULTS = ("dvc.lock", "metrics/decision.json")', 'RESULTS = ("dvc.lock",)'),
        ('RESULTS = ("dvc.lock", "metrics/decision.json")', 'RESULTS = ("metrics/decision.json",)'),
        ("for one in decision.criteria if one.status in UNMEASURED]", 'for one in decision.criteria if one.status == "too_few"]'),
        ("for one in decision.criteria if one.status in UNMEASURED]", 'for one in decision.criteria if one.status == "not_measured"]'),
        ('f"{evidence.run_id} {evidence.data_version} {word}"', 'f"{evidence.run_id} {evidence.data_version}"'),
        ('f"{evidence.run_id} {evidence.data_version} {word}"', 'f"{evidence.commit} {word}"'),
        ('if ratings is not None and ratings.status != "measured":', 'if ratings is not None and ratings.status == "too_few":'),
    ),
    *_of(
        "promotion.gate",
        GATE,
        ("commit=head_commit(root),", "commit=data_version(root),"),
        ("        data_version=data_version(root),", "        data_version=evaluated_data_version(root),"),
        ("evaluated_data_version=evaluated_data_version(root),", "evaluated_data_version=data_version(root),"),
        ("metrics_sha256=sha256_tree(workspace.metrics),", 'metrics_sha256="0" * 64,'),
        ("submitters=submitters(workspace),", "submitters=(),"),
        ("champion, reached = in_force(entries), promoted", "champion, reached = None, promoted"),
        ("for one in samples} == {(one.part, one.entry.key)", "for one in samples} != {(one.part, one.entry.key)"),
        ("        comparison=comparison,", "        comparison=Comparison(champion=None, says=comparison.says),"),
        ("    if not find_objections(evidence):\n", "    if False:\n"),
        ('            "audited": found.keys,', '            "audited": (),'),
        ("    if now.model_copy(update=both) != shown.model_copy(update=both):", "    if now.run_id != shown.run_id:"),
    ),
    *_of(
        "promotion.gate",
        _attempt("nobody has rated the videos"),
        ("verdict=decision.verdict,", 'verdict="success",'),
    ),
    *_of(
        "promotion.gate",
        _attempt("a run of the tiny profile"),
        ("profile=params.profile,", "profile=PROFILE,"),
    ),
    *_of(
        "promotion.gate",
        _attempt("code that is not committed"),
        ("uncommitted=uncommitted(root),", 'uncommitted=uncommitted(root, "params.yaml"),'),
    ),
    *_of(
        "promotion.gate",
        _attempt("params are changed after the run"),
        ("stale=tuple(sorted(stale)),", "stale=(),"),
    ),
    *_of(
        "promotion.gate",
        _attempt("a target is lowered, and decided anew"),
        ("lowered_targets=lowered_targets(params.decide),", "lowered_targets=(),"),
    ),
    *_of(
        "promotion.gate",
        _attempt("a figure of metrics/decision.json"),
        ("        contradictions=contradictions,", "        contradictions=contradictions[3:],"),
    ),
    *_of(
        "promotion.gate",
        _attempt("all samples' figures are edited"),
        ('            "contradictions": found.faults,', '            "contradictions": (),'),
    ),
    *_of(
        "promotion.lock",
        f"{UNIT}test_lock.py",
        ('_read_yaml(root / "data.dvc")["outs"][0]["md5"]', '_read_yaml(root / "data.dvc")["outs"][0]["path"]'),
        ('if dep["path"] == "data":', 'if dep["path"] != "data":'),
        ("        if stage not in lock:\n", "        if stage not in lock:\n            continue\n"),
        ('if name in seen or not md5 or md5.endswith(".dir"):', "if True:"),
        ("elif _md5(path) != md5:", "elif _md5(path)[:0] != md5[:0]:"),
        ("            if not path.is_file():\n", "            if not path.is_file():\n                continue\n"),
        ('*lock[stage].get("outs", ())', '*lock[stage].get("none", ())'),
        ('*lock[stage].get("deps", ())', '*lock[stage].get("none", ())'),
    ),
    *_of(
        "promotion.audit",
        f"{UNIT}test_gate.py",
        ("RELATIVE_TOLERANCE = 1e-6", "RELATIVE_TOLERANCE = 1e-4"),
        ("RELATIVE_TOLERANCE = 1e-6", "RELATIVE_TOLERANCE = 1e-9"),
        ("abs_tol=1e-9", "abs_tol=1e-1"),
        ("return bool(one == other)", "return True"),
        ("if not _equal(known.get(field), should.get(field))", "if _equal(known.get(field), should.get(field))"),
        ("and not any(field == name or field.startswith", "and any(field == name or field.startswith"),
        ("if isinstance(value, dict | list) and value:", "if isinstance(value, dict) and value:\n        value = dict(list(value.items())[:3])\n    if isinstance(value, dict | list) and value:"),
    ),
    *_of(
        "promotion.audit",
        GATE,
        ("for part, key in asked.keys() - there.keys():", "for part, key in there.keys() - there.keys():"),
        ("for part, key in there.keys() - asked.keys():", "for part, key in there.keys() - there.keys():"),
        ("    if len(there) < len(samples):", "    if len(there) > len(samples):"),
        ('if (sample.to_rate or sample.part == "transfer") and not sample.videos:', "if not there:"),
        ("(f\"{file}: {name}: {one}\" for one in differences(sample, computed", "(f\"{file}: {name}: {one}\" for one in differences(sample, sample"),
        ("if table.read_text(encoding=\"utf-8\") != as_csv(metrics):", "if not table.is_file():"),
        ('unlocked_files(workspace.root, ("evaluate", "decide"))', 'unlocked_files(workspace.root, ("evaluate",))'),
        ('unlocked_files(workspace.root, ("evaluate", "decide"))', 'unlocked_files(workspace.root, ("decide",))'),
    ),
    *_of(
        "promotion.audit",
        _attempt("another model is put"),
        ("        *_of_the_run(job, run, chosen),\n", ""),
        ('"fingerprint.device", "fingerprint.num_threads", "certified")', '"fingerprint.device", "fingerprint.num_threads", "certified", "run_id", "model_sha256")'),
    ),
    *_of(
        "promotion.audit",
        _attempt("a sample's own figure"),
        ("        *check_samples(job, samples, asked, metrics),\n", ""),
        ("            computed[score.name] = one - other", "            pass"),
        ("asked[place].evaluated(job.params, sample.videos, measured)", "asked[place].evaluated(job.params, sample.videos, list(sample.generations or (sample.metrics,)))"),
    ),
    *_of(
        "promotion.audit",
        _attempt("a figure of metrics/decision.json"),
        ("        *_of_the_decision(workspace, params),\n", ""),
        ("found = differences(decision, computed, ", "found = differences(computed, computed, "),
    ),
    *_of(
        "promotion.audit",
        _attempt("a figure of metrics/evaluate.json"),
        ("        *_of_metrics(job, samples, metrics, out / \"metrics.csv\"),\n", ""),
        ("in differences(metrics, computed, ", "in differences(computed, computed, "),
    ),
    *_of(
        "promotion.remeasure",
        _attempt("all samples' figures are edited"),
        ("for _, _, sample in taken[:number]]", "for _, _, sample in taken[:0]]"),
        ("        if fault:\n            jumps", "        if fault and recorded is None:\n            jumps"),
        ("    near = is_near(score, recorded, value, moved)", "    near = True"),
        ("    value = score.measure(scene, kept[subject].film)", "    value = recorded"),
    ),
    *_of(
        "promotion.remeasure",
        f"{TAMPERING}::test_which_samples",
        ('f"{seed} {one.part} {one.key}".encode()', 'f"{one.part} {one.key}".encode()'),
        ("order = sorted(kept, key=", "order = kept or sorted(kept, key="),
        ("    taken.sort(key=lambda one: one[:2])\n", ""),
    ),
    *_of(
        "promotion.remeasure",
        _attempt("none: the run as it is"),
        ("MOST_FLIPS = 1 ", "MOST_FLIPS = -1 "),
    ),
    *_of(
        "promotion.remeasure",
        _attempt("the films with other photos"),
        ("asked = [SWAPPED.name, *(", "asked = [*("),
    ),
    *_of(
        "promotion.remeasure",
        _attempt("all samples' figures of a pasted photo"),
        ("film = scene.truth if subject == GROUND_TRUTH else scene.others[subject]\n", "film = scene.truth if subject == GROUND_TRUTH else scene.others[subject]\n        return ''\n"),
    ),
    *_of(
        "promotion.remeasure",
        GATE,
        ("MAX_TRUTH_ERROR = 12.0", "MAX_TRUTH_ERROR = 1200.0"),
        ('loss = root_error(kept["ground_truth"].film, window.pixels)', "loss = root_error(window.pixels, window.pixels)"),
    ),
    *_of(
        "promotion.near",
        f"{UNIT}test_near.py",
        ("ALLOWANCE = 3.0", "ALLOWANCE = 300.0"),
        ("ALLOWANCE = 3.0", "ALLOWANCE = 0.0"),
        ("SMOOTHED = 1 / 3", "SMOOTHED = 100 / 3"),
        ("SMOOTHED = 1 / 3", "SMOOTHED = 0.0"),
        ("SAME = 2e-3", "SAME = 2e-1"),
        ('ROUNDING = {"dB": 0.5,', 'ROUNDING = {"dB": 50.0,'),
        ("OTHER_ROUNDING = 0.02", "OTHER_ROUNDING = 2.0"),
        ("        return recorded == value or moved().again != value", "        return True"),
        ("        return recorded == value or moved().again != value", "        return recorded == value"),
        ("    worse = given - kept if", "    worse = kept - given if"),
        ('return -slack <= worse <= slack + SMOOTHED * off', 'return -slack <= worse'),
        ('return -slack <= worse <= slack + SMOOTHED * off', 'return worse <= slack + SMOOTHED * off'),
        ("    if score.subject is None:\n        return worse >= -slack", "    if score.subject is None:\n        return worse <= slack"),
        ("return abs(worse) <= slack + SMOOTHED * off", "return True"),
        ('return 255 / 10 ** (value / 20) if score.unit == "dB" else value', "return value"),
        ("    if recorded is None or value is None:\n        return recorded is value\n    if score.chance", "    if recorded is None or value is None:\n        return True\n    if score.chance"),
        ("    if recorded is None or value is None:\n        return recorded is value\n    return math.isclose", "    if recorded is None or value is None:\n        return True\n    return math.isclose"),
    ),
    *_of(
        "promotion.champion",
        f"{UNIT}test_champion.py",
        ("    if run.model_sha256 == champion.run.model_sha256:", "    if False:"),
        ("        if differing:\n", "        if False:\n"),
        ('MODEL_FREE = ("dataset_sha256", "base_sha256")', 'MODEL_FREE = ("dataset_sha256", "base_sha256", "evaluator")'),
        ('MODEL_FREE = ("dataset_sha256", "base_sha256")', 'MODEL_FREE = ("dataset_sha256", "base_sha256", "protocol")'),
        ("if _place(one) in by_place and by_place[_place(one)].inputs_sha256 == one.inputs_sha256", "if _place(one) in by_place"),
        ("if run.champion_sha256 == champion.transformer_sha256 else []", "if run.champion_sha256 else []"),
        ('sign = -1 if metric.better == "↓" else 1', "sign = 1"),
        ("if decisive.low <= 0 or decisive.lead < params.min_lead:", "if decisive.low <= 0 and decisive.lead < params.min_lead:"),
        ("if decisive.low <= 0 or decisive.lead < params.min_lead:", "if decisive.lead < params.min_lead:"),
        ("if decisive.low <= 0 or decisive.lead < params.min_lead:", "if decisive.low <= 0:"),
        ("        if one.lead < -params.margin", "        if one.lead > params.margin"),
        ("        if one.lead < -params.margin", "        if one.lead < -100 * params.margin"),
        ("if metric.name == DECIDES else []", "if metric.name != DECIDES else []"),
        ('PARTS: tuple[Part, ...] = ("test", "transfer")', 'PARTS: tuple[Part, ...] = ("test",)'),
        ("if one.part == params.part and one.category is None", "if one.part == PARTS[0] and one.category is None"),
        ("if one.part == params.part and one.category is None", "if one.part == params.part and one.category is not None"),
        ('DECIDES = "product_psnr"', 'DECIDES = "product_delta_e"'),
        ("    if decisive is None or decisive.low is None:\n", "    if decisive is None or decisive.low is None:\n        return []\n"),
        ("estimate = paired_difference(rows[0], rows[1])", "estimate = paired_difference(rows[1], rows[0])"),
        ("return Comparison(champion=champion.number, says=why, faults=(why,))", "return Comparison(champion=champion.number, says=why)"),
    ),
    *_of(
        "promotion.ledger",
        f"{UNIT}test_ledger.py",
        ("if (entry.number, entry.previous) != (number, previous):", "if entry.number != number:"),
        ("if (entry.number, entry.previous) != (number, previous):", "if entry.previous[:1] != previous[:1]:"),
        ("path.read_bytes().startswith(committed))", "path.read_bytes()[:10] == committed[:10])"),
        ("if committed is not None and not (path.is_file() and", "if committed is not None and path.is_file() and not (path.is_file() and"),
        ("        must_be = entry.sign_off.signed\n", "        must_be = False\n"),
        ("if must_be and not entry.sign_off.signed:", "if must_be and entry.sign_off.signed is None:"),
        ("if must_be and number >= len(commits):", "if must_be and number > len(commits) + 1:"),
        ("fault = signature_fault(root, commits[number]) if must_be else None", "fault = None"),
        ("and entry.number not in withdrawn", "and True"),
        ('isinstance(entry, Promotion) and entry.sign_off.outcome == "approved" and entry.number', "isinstance(entry, Promotion) and entry.number"),
        ("return approved[-1] if approved else None", "return approved[0] if approved else None"),
        ("if sha256_file(path) != promotion.samples_sha256:", "if not sha256_file(path):"),
    ),
    *_of(
        "promotion.plan",
        f"{UNIT}test_plan.py",
        ("if plan.memory_gib > plan.available_gib:", "if plan.memory_gib > 100 * plan.available_gib:"),
        ("        if taken > max_stage_hours\n", "        if taken > 100 * max_stage_hours\n"),
        ("        if stage.batch_size % cluster.num_gpus\n", "        if False\n"),
        ("    if not params.train.gradient_checkpointing:", "    if False:"),
        ("STATE_BYTES = 20 ", "STATE_BYTES = 4 "),
    ),
    *_of(
        "promotion.plan",
        f"{UNIT}test_gate.py",
        ("    if plan.faults:\n        raise", "    if not plan.num_gpus:\n        raise"),
    ),
    *_of(
        "promotion.plan",
        _attempt("14B does not fit"),
        ("num_gpus=max(1, profile.run.nodes * profile.run.gpus_per_node)", "num_gpus=8"),
    ),
    *_of(
        "promotion.mapping",
        f"{UNIT}test_mapping.py",
        ('    Change("train.gradient_checkpointing", True, "set"', '    Change("train.gradient_checkpointing", False, "set"'),
        ("section[name] = max(section[name], change.value)", "section[name] = min(section[name], change.value)"),
        ("section[name] *= change.value", "section[name] += change.value"),
    ),
    *_of(
        "promote",
        GATE,
        ('    if word.outcome == "approved":\n        require', '    if word.outcome != "approved":\n        require'),
        ("(*candidate.evidence.submitters, asked_by)", "candidate.evidence.submitters"),
        ("(*candidate.evidence.submitters, asked_by)", "(asked_by,)"),
        ("now = _open_gate(workspace, word.draw, candidate.evidence.audited)", "now = candidate"),
        ("now = _open_gate(workspace, word.draw, candidate.evidence.audited)", "now = _open_gate(workspace, '', ())"),
        ("now = _open_gate(workspace, word.draw, candidate.evidence.audited)", "now = _open_gate(workspace, word.draw)"),
        ("        if word.draw is None:\n", "        if word.draw is True:\n"),
        ("    else:\n        now = _open_gate(workspace)\n", "    else:\n        now = candidate\n"),
        package="flows",
    ),
    *_of(
        "promote",
        _attempt("a run of the tiny profile"),
        ("    require_open(candidate.evidence)\n", ""),
        package="flows",
    ),
    *_of(
        "promote",
        _attempt("14B does not fit"),
        ("    require_fit(plan, slurm_profile)\n", ""),
        package="flows",
    ),
    *_of(
        "promote",
        _attempt("params are changed after the run"),
        ("Patience(workspace, announce, hours=0).graph().stale, word", "(), word"),
        package="flows",
    ),
    *_of(
        "promote",
        _attempt("nobody answers"),
        ("    except FlowPauseTimeout:\n", "    except FlowPauseTimeout:\n        return sign_off(workspace, 'approved', 'nobody', 'no answer', None, None)\n"),
        package="flows",
    ),
)  # fmt: skip
