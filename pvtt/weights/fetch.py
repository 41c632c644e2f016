"""Fetch published networks, once and whole.

    the hub's list of files ──► room on the disk? ──► each file into .fetch/<name>/, from where it was broken off
                                                                  │ size and hash as the hub says
                                                                  ▼
                                     renamed to its place, `<place>.lock.json` beside it

`HF_ENDPOINT` names a mirror of the hub, `HF_TOKEN` or `hf auth login` an account; `PVTT_PYTORCH_ENDPOINT` a mirror of
download.pytorch.org. The token is never printed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pvtt.errors import MissingInputError, PvttError, StorageError, first_line
from pvtt.files.hashing import sha256_file
from pvtt.files.storage import storage_errors
from pvtt.weights.lock import LockedFile, WeightsLock, read_lock, write_lock
from pvtt.weights.networks import PYTORCH, Network

STAGING = "models/.fetch"
MARGIN = 2**30  # bytes that are left free
PYTORCH_ENDPOINT = "PVTT_PYTORCH_ENDPOINT"


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: its path below the place, where it is, and what is known of it."""

    path: str
    url: str
    size: int | None
    sha256: str | None  # whole, or as much of its beginning as its name says


def fetch(root: Path, network: Network, *, update: bool = False) -> WeightsLock:
    """Bring a network to its place.

    Args:
        root: The project's folder.
        network: Which.
        update: Take what the list's revision is now; else the commit that was fetched before, if any was.

    Raises:
        MissingInputError: The hub has no such repository, revision or file, or wants an account for it.
        PvttError: The connection broke off, or a file is not the one that the hub announces. What has come is kept, and
            the same command goes on from there.
        StorageError: The disk has no room.
    """
    known = None if update else read_lock(root, network)
    with _hub_errors(network):
        commit, files = _list_files(network, None if known is None else known.commit)
    staging = root / STAGING / network.name / (commit or "file")
    _require_room(root, staging, network, files)
    locked = []
    with storage_errors(root / STAGING):
        staging.mkdir(parents=True, exist_ok=True)
        for file in files:
            with _hub_errors(network):
                locked.append(_fetch_file(file, staging, network))
    if known is not None:
        _require_same(known, locked, network)
    _move(root, network, staging)
    lock = WeightsLock(
        name=network.name, source=network.source, revision=network.revision, commit=commit, files=tuple(locked)
    )
    write_lock(root, network, lock)
    return lock


def select(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The files of a repository that are fetched: those of the patterns, and of two formats of the same weights the
    safe one. A pattern without a folder means the top one."""
    chosen = [
        name for name in names if any(fnmatchcase(name, one) and ("/" in one or "/" not in name) for one in patterns)
    ]
    if "model.safetensors" in chosen:
        chosen = [name for name in chosen if name != "pytorch_model.bin"]
    return sorted(chosen)


def _list_files(network: Network, commit: str | None) -> tuple[str | None, list[RemoteFile]]:
    if network.repo is None:
        assert network.url is not None
        name = network.url.rpartition("/")[2]
        base = os.environ.get(PYTORCH_ENDPOINT) or PYTORCH
        announced = Path(name).stem.rpartition("-")[2]  # torchvision puts the hash's beginning into the name
        return None, [RemoteFile(name, f"{base.rstrip('/')}/{network.url}", None, announced)]
    from huggingface_hub import HfApi, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT") or None
    info: Any = HfApi(endpoint=endpoint).model_info(
        network.repo, revision=commit or network.revision, files_metadata=True, timeout=30
    )
    siblings = {one.rfilename: one for one in info.siblings or ()}
    names = select(list(siblings), network.files)
    if not names:
        raise MissingInputError(
            f"{network.repo} holds none of {', '.join(network.files)}", "the repository has changed: `pvtt weights ls`"
        )
    files = [
        RemoteFile(
            path=name,
            url=hf_hub_url(network.repo, name, revision=info.sha, endpoint=endpoint),
            size=siblings[name].size,
            sha256=siblings[name].lfs.sha256 if siblings[name].lfs else None,
        )
        for name in names
    ]
    return str(info.sha), files


def _require_room(root: Path, staging: Path, network: Network, files: Sequence[RemoteFile]) -> None:
    total = sum(file.size or 0 for file in files) or int(network.gb * 1e9)
    have = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file()) if staging.is_dir() else 0
    free = shutil.disk_usage(root).free
    if total - have + MARGIN > free:
        raise StorageError(
            f"{network.name} takes {(total - have) / 1e9:.1f} GB more, {free / 1e9:.1f} GB are free on {root}'s disk",
            "make room, or let models/ be a link to a larger disk",
        )


def _fetch_file(file: RemoteFile, staging: Path, network: Network) -> LockedFile:
    from huggingface_hub import get_token
    from huggingface_hub.file_download import http_get

    whole = staging / file.path
    if not whole.is_file():
        part = whole.with_name(f"{whole.name}.part")
        whole.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.is_file() else 0
        if file.size is not None and have > file.size:
            part.unlink()
            have = 0
        with part.open("ab") as target:
            token = get_token() if network.repo is not None else None  # no other host gets it
            headers = {"authorization": f"Bearer {token}"} if token else {}
            http_get(
                file.url,
                target,
                resume_size=have,
                headers=headers,
                expected_size=file.size,
                displayed_filename=file.path,
            )
            target.flush()
            os.fsync(target.fileno())
        sha256, size = sha256_file(part), part.stat().st_size
        wrong_size = file.size is not None and size != file.size
        if wrong_size or (file.sha256 is not None and not sha256.startswith(file.sha256)):
            part.unlink()
            what = f"has {size:,} bytes, not {file.size:,}" if wrong_size else f"has the hash {sha256[:16]}…"
            raise PvttError(
                f"{network.name}: {file.path} {what}: it is not what {network.source} announces",
                "run the same command again; if it stays so, the mirror (HF_ENDPOINT) or the repository is at fault",
            )
        part.replace(whole)
    return LockedFile(path=file.path, size=whole.stat().st_size, sha256=sha256_file(whole))


def _require_same(known: WeightsLock, locked: Sequence[LockedFile], network: Network) -> None:
    before = {file.path: file.sha256 for file in known.files}
    differing = [file.path for file in locked if before.get(file.path, file.sha256) != file.sha256]
    if differing:
        raise PvttError(
            f"{network.name}: {', '.join(differing[:3])} is not the file that {network.place}.lock.json records",
            f"`pvtt weights fetch {network.name} --update` takes the new one, and results made with the old are stale",
        )


def _move(root: Path, network: Network, staging: Path) -> None:
    """Put what was fetched into its place; of what is there, only files of the same names are replaced."""
    place = root / network.place
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if network.repo is None:
            next(path for path in staging.iterdir() if path.is_file()).replace(place)
        elif not place.exists():
            staging.replace(place)
        else:
            for path in sorted(staging.rglob("*")):
                if path.is_file():
                    target = place / path.relative_to(staging)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
        shutil.rmtree(root / STAGING / network.name, ignore_errors=True)


@contextmanager
def _hub_errors(network: Network) -> Iterator[None]:
    """The hub's errors in words. No header, and so no token, is in them."""
    from huggingface_hub import errors

    again = "what has come is kept: run the same command again to go on"
    try:
        yield
    except PvttError:
        raise
    except errors.GatedRepoError:
        raise MissingInputError(
            f"{network.source} is gated: it wants an account that has accepted its terms",
            f"accept them on https://huggingface.co/{network.repo}, then `hf auth login` or set HF_TOKEN",
        ) from None
    except errors.RevisionNotFoundError:
        raise MissingInputError(
            f"{network.source} has no revision {network.revision}", "`pvtt weights fetch --update` takes another"
        ) from None
    except errors.RepositoryNotFoundError:
        raise MissingInputError(
            f"{network.source} is not on the hub, or is private",
            "check HF_ENDPOINT; for a private one `hf auth login` or set HF_TOKEN",
        ) from None
    except errors.EntryNotFoundError as error:
        if network.repo is None:
            message = f"{network.source} is not there (404)"
            raise MissingInputError(message, f"check the mirror that {PYTORCH_ENDPOINT} names") from None
        raise MissingInputError(
            f"{network.source} lacks a file: {first_line(error)}", "`pvtt weights fetch --update` lists it anew"
        ) from None
    except errors.OfflineModeIsEnabled:
        raise PvttError(
            f"{network.name} cannot be fetched: HF_HUB_OFFLINE is set", "unset it for this command"
        ) from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise MissingInputError(
                f"{network.source} wants an account ({status})", "`hf auth login`, or set HF_TOKEN"
            ) from None
        if status == 404:
            raise MissingInputError(f"{network.source} is not there (404)", "check the mirror that is set") from None
        raise PvttError(f"{network.source} answers with {status}", again) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise PvttError(f"{network.source}: the connection broke off: {type(error).__name__}", again) from None
        if isinstance(error, OSError) and "Consistency check failed" in str(error):
            raise PvttError(f"{network.source}: a file came in another size than announced", again) from None
        raise
