"""Hosts that never finish: each ends in a reject after its time, here a hundredth of the real one."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from pvtt.crawl.drafts import PageRecord
from pvtt.crawl.job import CrawlJob, CrawlResult
from pvtt.crawl.state import CrawlState, Refusal
from tests.crawl.site import Page, Site, serving, video_bytes

# The crawler's process with shorter times.
PROGRAM = """
import sys
from pathlib import Path

from scrapy.utils.reactor import install_reactor

install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
from pvtt.crawl import child, download

download.IDLE_TIMEOUT_S = download.ROBOTS_TIMEOUT_S = 0.6
download.TOTAL_TIMEOUT_S = 1.5
child.PAGE_TIMEOUT_S = 1.0
child.main(Path(sys.argv[1]))
"""


def test_each_wait_for_a_host_has_an_end(site: Site, tmp_path: Path) -> None:
    over = threading.Event()

    def wait(path: str) -> None:
        over.wait(60)

    def wait_at_times(path: str) -> None:
        if path in ("/silent.html", "/media/silent-film.mp4"):
            wait(path)

    drip = video_bytes(1)[:600]
    with serving(Site()) as mute:
        mute.before, site.before = wait, wait_at_times
        site.add_product("silent-film", 1, photos=0)
        site.add_product("dripping-film", 2, photos=0)
        site.pages["/media/dripping-film.mp4"] = Page(drip, drip_s=0.1)
        site.pages["/drip.html"] = Page(b"<p>x</p>", headers={"Content-Type": "text/html"}, drip_s=0.1)
        site.add_product("mute", 3, photos=0, video={"contentUrl": f"{mute.url}v.mp4"})
        pages = [path for path in site.pages if path.endswith(".html")]
        site.add_index("/silent.html", *pages)
        params = site.params(allowed_hosts=["127.0.0.1", f"127.0.0.1:{mute.port}"])
        state = CrawlState(tmp_path / "state")
        state.begin("", "")
        job = CrawlJob(root=str(tmp_path), state=str(state.directory), params=params, start=site.url)
        (tmp_path / "job.json").write_text(job.to_json())
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "job.json")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crawler:
            assert crawler.stdout is not None
            lines = crawler.stdout.read().splitlines()
        over.set()
        result = CrawlResult.from_json(lines[-1])
        refused = {url.removeprefix(site.url): page for url, page in state.pages() if isinstance(page, Refusal)}
        num_read = sum(isinstance(page, PageRecord) for _, page in state.pages())
        films = [state.refusal("video", f"{site.url}media/{name}-film.mp4") for name in ("silent", "dripping")]
        forbidden = state.refusal("video", f"{mute.url}v.mp4")
        state.close()
    assert result.num_unanswered == 5
    assert {url: page.reason for url, page in refused.items()} == dict.fromkeys(
        ["drip.html", "silent.html"], "http_error"
    )
    assert num_read == 4
    messages = ["no answer for 0.6 s", "not whole after 1.5 s"]
    for film, words in zip(films, messages, strict=True):
        assert film is not None
        assert film.failed
        assert words in film.message
    assert forbidden is not None
    assert (forbidden.reason, forbidden.failed) == ("robots_forbidden", True)
    assert "no answer for 0.6 s" in forbidden.message
