from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.crawl.drafts import MediaRecord, PageRecord
from pvtt.crawl.state import CrawlState, Fetched, Refusal
from pvtt.errors import StorageError
from pvtt.files.hashing import sha256_bytes

MEDIA = MediaRecord(
    sha256=sha256_bytes(b"new"), num_bytes=3, media_type="video/mp4", extension=".mp4", retrieved_at="2026-01-01"
)


def page_of(state: CrawlState, url: str) -> Fetched:
    page = state.page(url)
    assert page is not None
    return page


def test_an_interrupted_run_continues_and_a_finished_one_does_not(tmp_path: Path) -> None:
    state = CrawlState(tmp_path)
    assert not state.begin("params", "code")
    state.keep("page", "/a", PageRecord(), '"1"', None)
    state.close()

    state = CrawlState(tmp_path)
    assert state.begin("params", "code")
    assert page_of(state, "/a").fresh
    state.finish(complete=True)
    assert not state.begin("params", "code")
    assert not page_of(state, "/a").fresh
    assert page_of(state, "/a").etag == '"1"'


def test_other_params_start_a_run_and_other_code_reads_pages_again(tmp_path: Path) -> None:
    state = CrawlState(tmp_path)
    state.begin("params", "code")
    state.keep("page", "/a", PageRecord(), '"1"', None)
    state.keep("video", "/v", MEDIA, '"2"', None)
    assert not state.begin("other params", "code")
    assert page_of(state, "/a").etag == '"1"'
    assert not state.begin("other params", "other code")
    assert page_of(state, "/a").etag is None
    video = state.media("video", "/v")
    assert video is not None
    assert video.etag == '"2"'


def test_a_complete_run_forgets_what_it_did_not_see(tmp_path: Path) -> None:
    state = CrawlState(tmp_path)
    state.begin("params", "code")
    state.keep("page", "/a", PageRecord(), None, None)
    state.finish(complete=True)
    state.begin("params", "code")
    state.refuse("page", "/b", Refusal("http_error", "x", failed=True), forget=False)
    state.finish(complete=False)
    assert state.page("/a") is not None
    state.begin("params", "code")
    state.finish(complete=True)
    assert state.page("/a") is None


def test_a_file_without_its_record_is_not_taken_for_an_older_one(tmp_path: Path) -> None:
    state = CrawlState(tmp_path)
    state.begin("params", "code")
    state.keep("video", "/v", MEDIA.model_copy(update={"sha256": sha256_bytes(b"old")}), None, None)
    state.begin("other params", "code")
    state.staged("video", "/v").write_bytes(b"new")  # and then the process was killed
    known = state.media("video", "/v")
    assert known is not None
    assert state.staged_file("video", "/v", known) is None


def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    state = CrawlState(tmp_path)
    state.begin("params", "code")
    (pages,) = state._database.execute("PRAGMA page_count").fetchone()
    state._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError):
        state.keep("page", "/a", PageRecord(links=("x" * 1_000_000,)), None, None)
