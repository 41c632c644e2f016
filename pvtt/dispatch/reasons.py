"""Slurm's reasons for a job that waits, in words that say what a person can do."""

from __future__ import annotations

import re

_WORDS = {
    "BadConstraints": "no node fits what it asks for: it will never start",
    "BeginTime": "back in the queue, starts again in a moment",
    "Dependency": "waits for the jobs of the profile's `dependency`",
    "DependencyNeverSatisfied": "the profile's `dependency` cannot be met any more: it will never start",
    "JobArrayTaskLimit": "the profile's `parallel` tasks are at work",
    "JobHeldAdmin": "held by an administrator: ask them",
    "JobHeldUser": "held: `scontrol release {job}` lets it go",
    "JobHoldMaxRequeue": "held after too many starts: `scontrol release {job}` lets it go",
    "JobLaunchFailure": "could not be started: see the node's slurmd",
    "Licenses": "waits for a licence",
    "NodeDown": "its node is down",
    "PartitionDown": "its partition starts nothing now",
    "PartitionInactive": "its partition is off",
    "PartitionNodeLimit": "asks for more nodes than its partition gives: it will never start",
    "PartitionTimeLimit": "asks for more minutes than its partition gives: it will never start",
    "Priority": "others come first",
    "Prolog": "its node is being made ready",
    "ReqNodeNotAvail": "the nodes that it needs are down or reserved",
    "Reservation": "waits for its reservation",
    "Resources": "waits for free nodes",
    "launch_failed_requeued_held": "could not be started and is held: mend the node, then `scontrol release {job}`",
}
_LIMIT = re.compile(r"^(QOS|Assoc).*(Max|Grp)")


def explain(reason: str, job_id: str) -> str:
    """A reason with what it means, for example `Resources: waits for free nodes`; empty where there is none."""
    key = re.split(r"[,(:]", reason, maxsplit=1)[0].strip().replace(" ", "_")
    words = _WORDS.get(key, "")
    if not words and _LIMIT.match(key):
        words = f"a limit of your {'QOS' if key.startswith('QOS') else 'account'} is reached"
    return f"{reason}: {words.format(job=job_id)}" if words else reason
