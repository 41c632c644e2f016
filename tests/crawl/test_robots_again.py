"""A crawl of days reads a robots.txt again after a day (RFC 9309, 2.4), by a clock that the test turns."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.crawl.site import Site

# In a process of its own, as the middleware needs a reactor. It asks the real site; the scheduler is left out.
PROGRAM = """
import asyncio, json, sys, urllib.request
from types import SimpleNamespace
from scrapy.utils.reactor import install_reactor
install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
from scrapy import Request
from scrapy.http import Response
from pvtt.crawl.download import PARAMS
from pvtt.crawl.pace import Pace
from pvtt.crawl.polite import PACE, READ_AGAIN_AFTER_S, RobotsTxt
from pvtt.items.runner import ItemRejectedError
from pvtt.params.crawl import CrawlParams

url, now = sys.argv[1], 1000.0

async def download(request):
    with urllib.request.urlopen(request.url) as answer:
        return Response(request.url, status=answer.status, body=answer.read())

crawler = SimpleNamespace(
    settings={PARAMS: CrawlParams(), PACE: Pace()},
    engine=SimpleNamespace(download_async=download),
    spider=SimpleNamespace(notes=[], named_sitemaps=[]),
)
robots = RobotsTxt(crawler, clock=lambda: now)

async def allowed():
    try:
        await robots.process_request(Request(url + "a.html"))
    except ItemRejectedError:
        return False
    return True

print(json.dumps(asyncio.run(allowed())), flush=True)
for since in (READ_AGAIN_AFTER_S - 1, READ_AGAIN_AFTER_S + 1):
    sys.stdin.readline()
    now = 1000.0 + since
    print(json.dumps(asyncio.run(allowed())), flush=True)
assert READ_AGAIN_AFTER_S == 24 * 3600
"""


def test_a_robots_txt_counts_for_a_day(site: Site) -> None:
    site.add("/robots.txt", "User-agent: *\nAllow: /\n")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, site.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = [json.loads(process.stdout.readline())]
        site.add("/robots.txt", "User-agent: *\nDisallow: /\n")
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
    assert process.returncode == 0
    assert answers == [True, True, False]
    assert [path for path, _ in site.requests] == ["/robots.txt"] * 2
