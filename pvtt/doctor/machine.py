"""This machine: Python and its packages, disk, codecs, threads, clock, Git, DVC, Prefect."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from pvtt.doctor.finding import Finding, fault, ok, warning

CORE = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "av", "numpy", "dvc")
ENCODERS = ("libx264", "ffv1", "aac")  # that clips, masks and films are written with
LEAST_FREE = 20e9  # bytes
SOME = 4  # names that a finding lists


@dataclass(frozen=True)
class Package:
    """A pinned package, and what is installed of it; None: nothing."""

    name: str
    pinned: str
    installed: str | None


def pinned_packages(lock: str) -> Iterator[Package]:
    """What a `requirements.lock` pins for this machine."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lock.splitlines():
        if not line or line[0] in " #-":
            continue
        try:
            requirement = Requirement(line.rstrip("\\ ").strip())
        except InvalidRequirement:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        versions = [one.version for one in requirement.specifier if one.operator == "=="]
        if versions:
            yield Package(requirement.name, versions[0], _installed(requirement.name))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SOME} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more


def check_python(version: tuple[int, int]) -> Finding:
    """Whether this Python runs the project."""
    shown = f"Python {version[0]}.{version[1]}"
    if (3, 11) <= version < (3, 13):
        return ok("python", shown)
    return fault("python", f"{shown} does not run the project", "make the environment with Python 3.11: `make setup`")


def check_packages(packages: Sequence[Package]) -> Finding:
    """Whether what is installed is what was measured to work together."""
    differing = [f"{one.name} {one.installed} (pinned {one.pinned})" for one in packages if _differs(one)]
    missing = [one.name for one in packages if one.installed is None]
    core = [one for one in packages if one.name.lower() in CORE and (_differs(one) or one.installed is None)]
    do = "`pip install --require-hashes -r requirements.lock`"
    says = "; ".join(
        [
            *([f"not as pinned: {_some(differing)}"] if differing else []),
            *([f"not installed: {_some(missing)}"] if missing else []),
        ]
    )
    if not packages:
        return warning(
            "packages", "requirements.lock pins nothing here", "restore it: `git checkout requirements.lock`"
        )
    if core:
        return fault("packages", says, do)
    return warning("packages", says, do) if says else ok("packages", f"{len(packages)} as requirements.lock pins them")


def _differs(package: Package) -> bool:
    # A build of the same version for another machine (2.8.0+cu128) is the same.
    return package.installed is not None and package.installed.partition("+")[0] != package.pinned.partition("+")[0]


def check_disk(free: float, needed: float | None) -> Finding:
    """Whether the disk has room. Both in bytes; `needed` is a plan's, None where there is none."""
    shown = f"{free / 1e9:,.0f} GB free"
    if needed is not None and needed > free:
        return fault(
            "disk", f"{shown}, the run takes {needed / 1e9:,.0f}", "make room, or move the project; `pvtt plan`"
        )
    if free < LEAST_FREE:
        return warning("disk", shown, "make room: item caches and checkpoints are in .pvtt/")
    return ok("disk", shown + ("" if needed is None else f", the run takes {needed / 1e9:,.0f}"))


def check_codecs(there: Mapping[str, bool]) -> Finding:
    """Whether PyAV's FFmpeg has the encoders that are used."""
    missing = [name for name, has in there.items() if not has]
    if missing:
        return fault(
            "codecs",
            f"PyAV has no {', '.join(missing)}",
            "install PyAV's own wheel: `pip install --force-reinstall av`",
        )
    return ok("codecs", f"{', '.join(there)} of PyAV {_installed('av')}")


def encoders() -> dict[str, bool]:
    """Which of the encoders PyAV has."""
    import av.codec

    def has(name: str) -> bool:
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            return False
        return True

    return {name: has(name) for name in ENCODERS}


def check_threads(cores: int, asked: str | None) -> Finding:
    """Whether `OMP_NUM_THREADS` asks for more threads than there are cores."""
    if asked is not None and (not asked.isdecimal() or int(asked) < 1):
        return fault("threads", f"OMP_NUM_THREADS is {asked!r}", "unset it, or set a number")
    if asked is not None and int(asked) > cores:
        return warning("threads", f"OMP_NUM_THREADS is {asked}, this process may use {cores}", "unset it, or lower it")
    return ok("threads", f"{cores} cores, {asked or cores} threads")


def check_clock(now: float, last_commit: float | None) -> Finding:
    """Whether the clock is before what has already happened. Seconds since the epoch."""
    if last_commit is not None and now + 60 < last_commit:
        return fault("clock", "this machine's time is before the last commit's", "set the clock: `timedatectl`")
    return ok("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def check_git(inside: bool, name: str, email: str) -> Finding:
    """Whether commits can be made."""
    if not inside:
        return fault("git", "this folder is no Git checkout, and DVC needs one", "clone the project with Git")
    if not name or not email:
        return warning("git", "commits have no name or address", "`git config user.name …`, `git config user.email …`")
    return ok("git", f"commits are of {name}")


def check_dvc(initialised: bool, remotes: Sequence[str], default: str | None) -> Finding:
    """Whether there is a repository, and a place where its data are kept a second time."""
    if not initialised:
        return fault("dvc", ".dvc/ is not there", "restore it: `git checkout .dvc`")
    if default is None:
        has = f"remotes {', '.join(remotes)}, but no default" if remotes else "no remote: the data are on one disk only"
        return warning("dvc", has, "`dvc remote add --default NAME PLACE`, then `dvc push`")
    return ok("dvc", f"remote {default}")


def dvc_remotes(root: Path) -> tuple[list[str], str | None]:
    """Names of DVC's remotes, and of the default one. No address is read: it may hold a secret."""
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return [], None
    names = [section.split('"')[1] for section in config.sections() if section.strip("'").startswith('remote "')]
    default = config.get("core", "remote", fallback=None)
    return names, default if default in names else None


def check_prefect(url: str | None, answers: bool) -> Finding:
    """Whether the server that `PREFECT_API_URL` names answers."""
    if not url:
        return ok("prefect", "PREFECT_API_URL is not set: a flow starts a server of its own")
    if not answers:
        return fault(
            "prefect", f"{_host(url)} does not answer", "start it: `prefect server start`, or unset PREFECT_API_URL"
        )
    return ok("prefect", f"{_host(url)} answers")


def _host(url: str) -> str:
    """A URL's host and port alone: names and passwords stay out."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or 'PREFECT_API_URL'}{port}"


def answers(url: str, timeout_s: float = 3.0) -> bool:
    """Whether a Prefect server is healthy. A server that wants an account answers too."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=timeout_s) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except (OSError, ValueError):
        return False


def check_machine(root: Path, needed: float | None = None) -> list[Finding]:
    """All of the above, with this machine's own facts.

    Args:
        root: The project's folder.
        needed: Bytes that a planned run takes.
    """

    def git(*arguments: str) -> str:
        try:
            run = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return run.stdout.strip() if run.returncode == 0 else ""

    lock, commit_time, url = (
        root / "requirements.lock",
        git("log", "-1", "--format=%ct"),
        os.environ.get("PREFECT_API_URL"),
    )
    text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
    return [
        check_python((sys.version_info[0], sys.version_info[1])),
        check_packages(list(pinned_packages(text))),
        check_codecs(encoders()),
        check_disk(shutil.disk_usage(root).free, needed),
        check_threads(len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS")),
        check_clock(time.time(), float(commit_time) if commit_time else None),
        check_git(bool(git("rev-parse", "--git-dir")), git("config", "user.name"), git("config", "user.email")),
        check_dvc((root / ".dvc").is_dir(), *dvc_remotes(root)),
        check_prefect(url, bool(url) and answers(str(url))),
    ]
