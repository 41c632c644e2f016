"""The cluster that a Slurm profile describes: does it answer, does it have what is asked for, does a node see us?"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.dispatch.profile import SlurmProfile
from pvtt.doctor.finding import Finding, fault, ok, warning
from pvtt.doctor.report import NodeReport, parse_report

ASK_S = 20.0
CLOCK_S = 60.0  # by which clocks may differ
PASSED_ON = ("account", "qos", "constraint", "reservation", "nodelist", "exclude", "wckey")  # to the job on a node
NODE_S = 180.0  # that a node may take to answer, its wait in the queue included


@dataclass(frozen=True)
class Partition:
    """One partition, of which some node has so many of each kind of GPU."""

    name: str
    gres: str
    usable: bool
    default: bool


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer in {ASK_S:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", error.strerror or str(error))


def parse_partitions(text: str) -> list[Partition]:
    """Lines of `sinfo -h -o '%P|%a|%G|%t'`."""
    found = []
    for line in text.splitlines():
        name, available, gres, state = [part.strip() for part in (*line.split("|"), "", "", "")[:4]]
        broken = state.rstrip("*$~#!%@^-").split("+")[0] in ("down", "drain", "drained", "draining", "fail", "maint")
        found.append(Partition(name.rstrip("*"), gres, available == "up" and not broken, name.endswith("*")))
    return found


def parse_settings(text: str) -> dict[str, str]:
    """`Key = value` of `scontrol show config`, and `Key=value` of other `scontrol show`s."""
    lines = re.findall(r"^(\w+)\s+= (.*)$", text, re.MULTILINE)
    return dict(lines) if lines else dict(re.findall(r"(\w+)=(\S*)", text))


def gpus_of(gres: str, kind: str | None) -> int:
    """GPUs that a node's gres names: `gpu:h800:8(S:0-1)` has eight of h800."""
    total = 0
    for name, number in re.findall(r"gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?", gres):
        if kind is None or name.lower() == kind.lower():
            total += int(number or 1)
    return total


def check_partitions(profile: SlurmProfile, partitions: Sequence[Partition]) -> Iterator[Finding]:
    """Whether the partitions that a profile names are there, up, and have the GPUs that it asks for."""
    asked: dict[str | None, tuple[int, str]] = {}
    run = profile.run
    wants = [("run", run.partition, run.gpus_per_node), ("shards", profile.shards.partition, profile.shards.gpus)]
    wants += [(f"runs.{name}", one.partition, one.gpus_per_node) for name, one in profile.runs.items()]
    wants += [(f"stages.{name}", one.partition, one.gpus) for name, one in profile.stages.items()]
    for key, partition, gpus in wants:
        name = partition or profile.partition
        if name not in asked or gpus > asked[name][0]:
            asked[name] = (gpus, key)
    for name, (gpus, key) in asked.items():
        label = "partition"
        these = [one for one in partitions if (one.name == name if name is not None else one.default)]
        shown = name or "the default one"
        if not these:
            there = ", ".join(dict.fromkeys(one.name for one in partitions)) or "none"
            yield fault(label, f"{shown} ({key}) is not there", f"`sinfo` lists: {there}")
            continue
        up = [one for one in these if one.usable]
        most = max((gpus_of(one.gres, profile.gpu_type) for one in these), default=0)
        kind = profile.gpu_type or "GPU"
        if most < gpus:
            has = ", ".join(dict.fromkeys(one.gres for one in these))
            yield fault(label, f"{shown} has {most} {kind} a node, {key} asks for {gpus}", f"its gres: {has}")
        elif not up:
            yield warning(label, f"all nodes of {shown} are down or drained", "`sinfo -R` says why")
        else:
            yield ok(label, f"{shown} is up" + (f", {most} {kind} a node" if gpus else ""))


def check_limits(profile: SlurmProfile, config: Mapping[str, str], partition: Mapping[str, str]) -> Iterator[Finding]:
    """Array size, time limit and notice of preemption."""
    largest = max(one.parallel for one in (profile.shards, *profile.stages.values()))
    size = config.get("MaxArraySize", "")
    if size.isdecimal() and largest >= int(size):
        yield fault("array", f"{largest} shards, MaxArraySize is {size}", f"shards.parallel below {size}")
    else:
        yield ok("array", f"{largest} shards, MaxArraySize is {size or 'not said'}")
    limit = minutes_of(partition.get("MaxTime", ""))
    if limit is not None and profile.run.minutes > limit:
        yield fault(
            "minutes", f"run.minutes is {profile.run.minutes}, the partition allows {limit}", f"run.minutes: {limit}"
        )
    else:
        yield ok("minutes", f"run.minutes is {profile.run.minutes}" + ("" if limit is None else f" of {limit}"))
    mode = partition.get("PreemptMode") or config.get("PreemptMode", "OFF")
    grace = partition.get("GraceTime", "0")
    notice = profile.requeue.signal_s
    if mode.upper() != "OFF" and grace.isdecimal() and int(grace) < notice:
        yield warning(
            "preemption",
            f"preempted jobs get {grace} s, requeue.signal_s counts on {notice}",
            "a training then continues from its last checkpoint: lower checkpoint_every, or ask for more GraceTime",
        )
    else:
        yield ok("preemption", f"mode {mode.lower()}, {notice} s of notice before the time limit")


def minutes_of(text: str) -> int | None:
    """Slurm's `days-hours:minutes:seconds` in minutes; None: no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if match is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes


def check_node(report: NodeReport, here: NodeReport, submitted: float, now: float) -> Iterator[Finding]:
    """Whether a node runs this code with these packages, at this time."""
    if report.code != here.code:
        yield fault(
            "node's code",
            f"{report.host} runs another copy: {report.root}",
            "the project's folder must be on a shared file system, at the same path",
        )
    else:
        yield ok("node's code", f"{report.host} runs this code, from {report.root}")
    differing = [
        f"{name} {report.versions.get(name) or 'missing'} (here {version or 'missing'})"
        for name, version in here.versions.items()
        if report.versions.get(name) != version
    ]
    if differing:
        missing = any(not report.versions.get(name) for name in here.versions)
        state = fault if missing else warning
        yield state(
            "node's packages", "; ".join(differing), f"install requirements.lock into {report.python}'s environment"
        )
    else:
        yield ok("node's packages", f"as here, {report.python}")
    if not submitted - CLOCK_S <= report.time <= now + CLOCK_S:
        yield warning("node's clock", f"{report.host} differs by {report.time - now:+.0f} s", "ask for NTP on the node")
    else:
        yield ok("node's clock", "as here")


def ask_node(root: Path, profile: SlurmProfile, timeout_s: float = NODE_S) -> tuple[NodeReport | None, str]:
    """Send a job of a minute that says what it sees. Returns its account, or None and why there is none.

    The job is cancelled where it does not end in time.
    """
    folder = root / ".pvtt" / "doctor"
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"node-{os.getpid()}.txt"
    python = f"{profile.venv}/bin/python" if profile.venv else sys.executable
    exports = [f"export {key}={shlex.quote(value)}" for key, value in sorted(profile.env.items())]
    lines = [
        "#!/bin/bash",
        *profile.setup,
        *exports,
        f'export PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
    ]
    script = folder / f"node-{os.getpid()}.sh"
    script.write_text(
        "\n".join([*lines, f"cd {shlex.quote(str(root))} && {shlex.quote(python)} -m pvtt.doctor.node", ""])
    )
    given = {key: getattr(profile, key) for key in PASSED_ON}
    options = given | {"partition": profile.run.partition or profile.partition}
    flags = [f"--{key}={value}" for key, value in options.items() if value]
    sent = _ask("sbatch", "--parsable", "--job-name=pvtt-doctor", "--time=2", f"--output={output}", *flags, str(script))
    try:
        if sent.returncode != 0:
            return None, f"refused: {' '.join(sent.stderr.split())[:200]}"
        job = sent.stdout.strip().partition(";")[0]
        return _await(job, output, timeout_s)
    finally:
        for path in (output, script):
            path.unlink(missing_ok=True)


def _await(job: str, output: Path, timeout_s: float) -> tuple[NodeReport | None, str]:
    end, state = time.monotonic() + timeout_s, ""
    while True:
        queue = _ask("squeue", "-h", "-j", job, "-o", "%T %r")
        state = queue.stdout.strip()
        text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
        report = parse_report(text)
        if report is not None:
            return report, ""
        ended = not state or state.split()[0] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        if ended and queue.returncode in (0, 1):
            time.sleep(1)  # a shared file system's lag
            text = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
            report = parse_report(text)
            last = (text.strip().splitlines() or ["it left no output: the node may not see the project's folder"])[-1]
            return report, "" if report else last[:200]
        if time.monotonic() > end:
            _ask("scancel", job)
            return None, f"no answer in {timeout_s:.0f} s: {state or 'not in the queue'}"
        time.sleep(0.5)


def check_slurm(root: Path, profile: SlurmProfile, node: bool = True, timeout_s: float = NODE_S) -> list[Finding]:
    """All checks of the cluster, from what it says itself.

    Args:
        root: The project's folder.
        profile: What the run would ask for.
        node: Send a job to a node too.
        timeout_s: How long it may take.
    """
    from pvtt.doctor.node import describe

    if shutil.which("sinfo") is None or shutil.which("sbatch") is None:
        return [fault("slurm", "sinfo and sbatch are not installed here", "run this on a login node of the cluster")]
    partitions = _ask("sinfo", "-h", "-o", "%P|%a|%G|%t")
    if partitions.returncode != 0:
        says = " ".join(partitions.stderr.split())[:200]
        return [
            fault("slurm", f"the controller does not answer: {says}", "`scontrol ping`; SLURM_CONF names its cluster")
        ]
    found = [ok("slurm", _ask("sinfo", "--version").stdout.strip() or "answers")]
    found += check_partitions(profile, parse_partitions(partitions.stdout))
    name = profile.run.partition or profile.partition
    shown = _ask("scontrol", "show", "partition", name).stdout if name else ""
    config = parse_settings(_ask("scontrol", "show", "config").stdout)
    found += check_limits(profile, config, parse_settings(shown))
    if not node or any(one.state == "fault" for one in found):
        return found
    if profile.container is not None:
        return [*found, warning("node", "not asked: its Python is in a container", "try `pvtt segment` on a few clips")]
    submitted = time.time()
    report, why = ask_node(root, profile, timeout_s)
    if report is None:
        waits = "PENDING" in why
        state = warning if waits else fault
        do = "ask again when nodes are free" if waits else "see venv, setup and env of the Slurm profile"
        return [*found, state("node", f"a job on a node: {why}", do)]
    return [*found, *check_node(report, describe(), submitted, time.time())]
