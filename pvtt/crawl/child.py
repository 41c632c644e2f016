"""The child process of a crawl: `python -m pvtt.crawl.child JOB.json`.

Twisted's reactor runs once in a process, so each crawl has its own. It writes `CrawlProgress` lines and at last one
`CrawlResult` line to standard output, and ends by itself when its parent's end of standard input closes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pvtt.crawl.forget import Tombstones
from pvtt.crawl.job import CrawlJob, CrawlProgress, CrawlResult
from pvtt.crawl.pace import Pace
from pvtt.crawl.publish import held_contents
from pvtt.crawl.robots import PRODUCT_TOKEN
from pvtt.crawl.state import CrawlState
from pvtt.files.storage import storage_fault
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import read_catalog
from pvtt.records.tombstones import read_tombstones

REPORT_EVERY_S = 0.3
USER_AGENT = f"{PRODUCT_TOKEN}/0.1 (product video crawler; obeys robots.txt)"
PAGE_TIMEOUT_S = 60


def settings(params: CrawlParams, log: Path) -> dict[str, Any]:
    """Scrapy's settings for a crawl."""
    return {
        "USER_AGENT": USER_AGENT,
        "ROBOTSTXT_OBEY": False,  # Scrapy's own reads a robots.txt that cannot be had as one that allows all
        "CONCURRENT_REQUESTS": params.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": params.concurrency,
        "DOWNLOAD_DELAY": params.delay_s,
        "AUTOTHROTTLE_ENABLED": params.delay_s > 0,
        "AUTOTHROTTLE_START_DELAY": params.delay_s,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(params.concurrency),
        "DOWNLOAD_TIMEOUT": PAGE_TIMEOUT_S,
        "RETRY_TIMES": 2,
        "REDIRECT_MAX_TIMES": 5,
        "COOKIES_ENABLED": False,
        "HTTPPROXY_ENABLED": False,  # a proxy would connect to addresses that we have not checked
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "DOWNLOAD_HANDLERS": {
            "http": "pvtt.crawl.download.MediaDownloadHandler",
            "https": "pvtt.crawl.download.MediaDownloadHandler",
            "file": None,
            "ftp": None,
            "s3": None,
            "data": None,
        },
        "DOWNLOADER_MIDDLEWARES": {
            "pvtt.crawl.guarded.HostGuard": 10,
            "pvtt.crawl.polite.RobotsTxt": 100,
            "pvtt.crawl.bodies.WholePages": 900,
            "pvtt.crawl.polite.Patience": 950,
        },
        "TWISTED_DNS_RESOLVER": "pvtt.crawl.guarded.GuardedResolver",
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "LOG_FILE": str(log),
        "LOG_FILE_APPEND": False,
        "LOG_LEVEL": "INFO",
    }


def main(job_path: Path) -> None:
    """Run one crawl and print its result."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        result = _crawl(job_path)
    except Exception as error:
        fault = storage_fault(error)
        if fault is None:
            raise
        result = CrawlResult(storage_fault=fault.message, storage_hint=fault.hint)
    print(result.to_json(), flush=True)


def _crawl(job_path: Path) -> CrawlResult:
    job = CrawlJob.from_json(job_path.read_bytes())
    state = CrawlState(Path(job.state))
    state.attach()
    workspace = Workspace(Path(job.root))
    held = held_contents(workspace, read_catalog(workspace.data))
    tombstones = Tombstones(read_tombstones(workspace.data))

    from scrapy.crawler import AsyncCrawlerProcess
    from scrapy.utils.reactor import install_reactor

    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    from pvtt.crawl.download import PARAMS
    from pvtt.crawl.guarded import POLICY
    from pvtt.crawl.polite import PACE
    from pvtt.crawl.spider import ShopSpider

    own = {PARAMS: job.params, POLICY: job.policy(), PACE: Pace()}
    process = AsyncCrawlerProcess({**settings(job.params, state.log), **own})
    crawler = process.create_crawler(ShopSpider)
    process.crawl(crawler, job=job, state=state, held=held, tombstones=tombstones, report=_reporter())
    process.start()
    spider = crawler.spider
    assert isinstance(spider, ShopSpider), "Scrapy did not start its spider"
    return spider.result()


def _reporter() -> Callable[[CrawlProgress], None]:
    last = 0.0

    def report(progress: CrawlProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S or progress.answered == progress.asked:
            last = now
            print(progress.to_json(), flush=True)

    return report


def _die_with_parent() -> None:
    os.read(0, 1)  # the parent writes nothing: this returns when its end closes
    os._exit(1)  # safe at any moment, as kill -9 is


if __name__ == "__main__":
    main(Path(sys.argv[1]))
