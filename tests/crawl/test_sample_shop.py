from __future__ import annotations

import socket

import pytest

from pvtt.crawl import crawl
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from tests.crawl.checks import check_catalog, rejects, tree

serve = pytest.importorskip("pvtt.builtin.shop.serve", reason="the sample shop is not part of this checkout")


def test_the_sample_shop_is_crawled_whole(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    params = CrawlParams(start=f"http://127.0.0.1:{port}/", allow_loopback=True, delay_s=0)
    with serve.serving(serve.SITE, port):
        first = crawl(workspace, params)
        check_catalog(workspace)
        assert first.num_new == first.num_products >= 48
        reasons = {reject.reason for reject in rejects(workspace)}
        assert {"no_video", "not_a_video", "truncated", "duplicate_product", "robots_forbidden"} <= reasons
        before = tree(workspace)
        second = crawl(workspace, params)
    assert second.num_unchanged == first.num_products
    assert tree(workspace) == before
