"""Crawling over HTTP: starts the child process and collects what it got."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

import pvtt
from pvtt.crawl.drafts import MediaKind, MediaRecord, MediaRef, PageRecord, ProductDraft
from pvtt.crawl.job import CrawlJob, CrawlProgress, CrawlResult
from pvtt.crawl.publish import STAGE, Resolved, Stored, held_contents
from pvtt.crawl.state import CrawlState, Refusal
from pvtt.errors import PvttError, StorageError
from pvtt.files.atomic import atomic_write_text
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_json
from pvtt.files.workspace import Workspace
from pvtt.items.progress import Progress
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import Reject, read_catalog

LOG_TAIL = 3  # lines of the child's log in an error message


def fetch(
    workspace: Workspace, params: CrawlParams, state: CrawlState, start: str | None, drafts: Sequence[ProductDraft] = ()
) -> CrawlResult:
    """Fetch a shop's pages and media, or the media of known drafts, into the crawl state.

    Raises:
        StorageError: The machine's storage failed.
        PvttError: The child process died; what it has fetched is kept.
    """
    job = CrawlJob(
        root=str(workspace.root), state=str(state.directory), params=params, start=start, drafts=tuple(drafts)
    )
    state.begin(sha256_json([params.model_dump(mode="json"), start]), code_of("pvtt.crawl.child:main"))
    job_path = state.directory / "job.json"
    atomic_write_text(job_path, job.to_json())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())}
    errors = state.directory / "child.log"
    with (
        errors.open("wb") as stderr,
        Progress(STAGE, 0, workspace.progress / f"{STAGE}.json", unit="files") as progress,
        subprocess.Popen(
            [sys.executable, "-m", "pvtt.crawl.child", str(job_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone; the child ends when its input closes
        ) as child,
    ):
        assert child.stdout is not None
        line = b""
        for line in child.stdout:
            try:
                step = CrawlProgress.from_json(line)
            except ValidationError:
                break
            progress.total = step.asked
            progress.update(step.answered, f"{step.products} products")
        else:
            line = b""
        if line:
            child.stdout.read()
    if not line:
        lines = errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise PvttError(
            f"the crawler's process ended early (exit code {child.returncode}): {' | '.join(lines[-LOG_TAIL:])}",
            f"read {state.log}, then run the same command again: it continues where it stopped",
        )
    result = CrawlResult.from_json(line)
    if result.storage_fault is not None:
        raise StorageError(result.storage_fault, result.storage_hint)
    return result


def collected_drafts(state: CrawlState) -> tuple[list[ProductDraft], list[Reject]]:
    """The products that a shop's pages describe, and the pages that gave none."""
    drafts: list[ProductDraft] = []
    rejects = []
    for url, page in state.pages():
        if isinstance(page, PageRecord):
            drafts += page.drafts
            if page.problem is None:
                continue
            page = Refusal(page.problem_reason, page.problem)
        rejects.append(Reject(stage=STAGE, item=url, reason=page.reason, message=page.message, failed=page.failed))
    return drafts, rejects


class WebMedia:
    """Finds what was fetched: in the staging directory, or in `data/` where it has not changed."""

    def __init__(self, workspace: Workspace, state: CrawlState) -> None:
        self._state = state
        self._held = held_contents(workspace, read_catalog(workspace.data))

    def resolve(self, kind: MediaKind, ref: MediaRef) -> Resolved:
        """The file behind a URL, and why this crawl did not get it where it did not."""
        refusal = self._state.refusal(kind, ref.url)
        known = self._state.media(kind, ref.url)
        if known is None or not isinstance(known.record, MediaRecord):
            return None, refusal or Refusal("http_error", "it was not fetched", failed=True)
        path = self._held.get(known.record.sha256) or self._state.staged_file(kind, ref.url, known)
        if path is None:
            return None, refusal or Refusal("http_error", "it was not fetched", failed=True)
        return Stored(known.record, path), refusal


def _import_paths() -> list[str]:
    """Where the child finds this package, however this process did."""
    here = str(Path(pvtt.__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH", "")
    return [here, *([inherited] if inherited else [])]
