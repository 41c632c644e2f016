from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvtt.crawl import CrawlSummary, crawl
from pvtt.crawl.drafts import product_id_of
from pvtt.errors import FailureBudgetError, LockedError, ParamsError, PvttError
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.records.catalog import read_catalog
from tests.crawl.checks import check_catalog, rejects, tree, tree_without_times
from tests.crawl.site import Site, json_ld, photo_bytes, serving, video_bytes


def test_a_shop_is_crawled_and_an_unchanged_one_costs_no_download(site: Site, workspace: Workspace) -> None:
    site.add_product("B2", 2)
    site.add_product("A1", 1, license="CC BY 4.0")
    site.add_index("/products/A1.html", "/products/B2.html", "/products/A1.html")

    first = crawl(workspace, site.params(license="unknown"))
    assert (first.complete, first.num_products, first.num_new, first.num_downloads) == (True, 2, 2, 9)
    check_catalog(workspace)
    product = read_catalog(workspace.data)["A1"]
    assert (product.title, product.category, product.source) == ("Product A1", "Rings", "shop")
    assert product.page_url == f"{site.url}products/A1.html"
    assert (product.license, product.photos[0].license) == ("CC BY 4.0", "CC BY 4.0")
    assert read_catalog(workspace.data)["B2"].license == "unknown"
    assert product.videos[0].media_type == "video/mp4"
    assert product.videos[0].url == f"{site.url}media/A1.mp4"
    assert len(site.fetched()) == len(set(site.fetched()))

    before = tree(workspace)
    site.requests.clear()
    second = crawl(workspace, site.params(license="unknown"))
    assert (second.num_unchanged, second.num_downloads, second.num_not_modified) == (2, 0, 9)
    assert site.fetched(status=200) == []
    assert tree(workspace) == before


def test_changes_of_the_shop_cost_only_themselves(site: Site, workspace: Workspace) -> None:
    for number in range(3):
        site.add_product(f"P{number}", number)
    site.add_index(*[f"/products/P{number}.html" for number in range(3)])
    crawl(workspace, site.params())
    before = tree(workspace)

    site.add("/media/P0.mp4", video_bytes(70))  # another video
    site.add_product("P3", 3)  # a new product
    site.add_index("/products/P0.html", "/products/P1.html", "/products/P3.html")  # P2 left
    site.requests.clear()
    summary = crawl(workspace, site.params())
    counts = (summary.num_new, summary.num_changed, summary.num_unchanged, summary.num_dropped, summary.num_products)
    assert counts == (1, 1, 1, 1, 3)
    assert site.fetched(status=200) == sorted(
        ["/", "/media/P0.mp4", "/media/P3-0.jpg", "/media/P3-1.jpg", "/media/P3.mp4", "/products/P3.html"]
    )
    assert summary.notes == ("dropped, as they left the source or are off-spec now: 1 products (P2)",)
    check_catalog(workspace)
    after = tree(workspace)
    assert {name: data for name, data in after.items() if "/P1/" in name} == {
        name: data for name, data in before.items() if "/P1/" in name
    }


def test_without_validators_or_state_the_bytes_are_the_same_too(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_index("/products/A1.html")
    for page in site.pages.values():
        page.validators = False
    crawl(workspace, site.params())
    before = tree(workspace)
    subprocess.run(["rm", "-r", str(workspace.state)], check=True)  # a fresh clone with `dvc pull`
    summary = crawl(workspace, site.params())
    assert (summary.num_unchanged, summary.num_downloads) == (1, 5)
    assert tree(workspace) == before


def test_a_product_that_could_not_be_seen_is_kept(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_product("A2", 2)
    site.add_index("/products/A1.html", "/products/A2.html")
    crawl(workspace, site.params())
    before = tree(workspace)
    site.add_html("/products/A2.html", "oops", status=500)
    site.add("/media/A1.mp4", b"oops", status=503)
    summary = crawl(workspace, site.params())
    assert (summary.complete, summary.num_products, summary.num_dropped) == (False, 2, 0)
    assert summary.notes == ("kept, although this crawl did not get them: 1 products (A2)",)
    after = tree(workspace)
    assert {reject.reason for reject in rejects(workspace)} == {"http_error"}
    assert {name: data for name, data in after.items() if name != "rejects.jsonl"} == {
        name: data for name, data in before.items() if name != "rejects.jsonl"
    }


def test_a_wall_of_404s_drops_nothing(site: Site, workspace: Workspace) -> None:
    names = [f"A{number}" for number in range(5)]
    for number, name in enumerate(names):
        site.add_product(name, number)
    site.add_index(*(f"/products/{name}.html" for name in names))
    crawl(workspace, site.params())
    for name in names[1:]:
        site.add_html(f"/products/{name}.html", "not for you", status=404)
    with pytest.raises(FailureBudgetError):
        crawl(workspace, site.params(max_failed_fraction=1.0))
    assert list(read_catalog(workspace.data)) == names
    check_catalog(workspace)


def test_at_0_not_one_product_leaves(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_product("A2", 2)
    site.add_index("/products/A1.html", "/products/A2.html")
    crawl(workspace, site.params())
    site.add_index("/products/A1.html")
    with pytest.raises(FailureBudgetError, match="A2"):
        crawl(workspace, site.params(max_dropped_fraction=0))
    assert list(read_catalog(workspace.data)) == ["A1", "A2"]


def test_two_shops_of_one_machine_are_two_sources(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_index("/products/A1.html")
    crawl(workspace, site.params())
    with serving(Site()) as other:
        other.add_product("B1", 2)
        other.add_index("/products/B1.html")
        summary = crawl(workspace, other.params())
    assert (summary.num_dropped, list(read_catalog(workspace.data))) == (0, ["A1", "B1"])


HOSTILE = {  # item → (reason, product)
    "media/html.mp4": ("not_a_video", "html"),
    "media/cut.mp4": ("truncated", "cut"),
    "media/endless.mp4": ("too_large", "endless"),
    "media/announced.mp4": ("too_large", "announced"),
    "media/broken.mp4": ("http_error", "broken"),
    "media/text.jpg": ("not_an_image", "good"),
    "media/gone.jpg": ("http_error", "good"),
    "private/x.jpg": ("robots_forbidden", "good"),
    "media/offsite.jpg": ("forbidden_host", "good"),
    "file:///etc/passwd": ("forbidden_host", "good"),
    "http://169.254.169.254/latest/meta-data": ("forbidden_host", "good"),
    "products/novideo.html": ("no_video", "novideo"),
    "products/twin.html": ("duplicate_product", "twin"),
    "products/same-id.html": ("duplicate_product", "good"),
    "products/bad.html": ("bad_product_data", None),
    "products/forbidden.html": ("robots_forbidden", None),
    "loop": ("http_error", None),
    "offsite": ("forbidden_host", None),
    "huge.html": ("too_large", None),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Workspace, CrawlSummary]]:
    """A shop that does everything wrong, crawled once."""
    workspace = Workspace(tmp_path_factory.mktemp("hostile"))
    with serving(Site()) as site, serving(Site()) as elsewhere:
        elsewhere.add("/x.jpg", photo_bytes(0))
        site.add("/robots.txt", "User-agent: *\nDisallow: /products/forbidden\nDisallow: /private/\n")
        images = ["/media/good-0.jpg", "/media/text.jpg", "/media/gone.jpg", "/private/x.jpg", "/media/offsite.jpg",
                  "file:///etc/passwd", "http://169.254.169.254/latest/meta-data"]  # fmt: skip
        site.add_product("good", 1, image=images)
        site.add("/media/text.jpg", "just text", headers={"Content-Type": "image/jpeg"})
        site.add("/private/x.jpg", photo_bytes(3))
        site.add("/media/offsite.jpg", b"", status=302, headers={"Location": f"{elsewhere.url}x.jpg"})
        for number, name in enumerate(["html", "cut", "endless", "announced", "broken", "novideo", "forbidden"]):
            site.add_product(name, 10 + number)
        site.add("/media/html.mp4", "<!doctype html>" + "x" * 5000, headers={"Content-Type": "video/mp4"})
        site.add("/media/cut.mp4", video_bytes(11)[:-200])
        site.add("/media/endless.mp4", video_bytes(12), endless=True)
        site.add("/media/announced.mp4", video_bytes(13), headers={"Content-Length": str(10**10)})
        site.add("/media/broken.mp4", video_bytes(14), missing_bytes=1000)
        site.add_product("novideo", 15, video=None)
        site.add_product("twin", 20, video={"contentUrl": "/copy.mp4"}, image=["/media/good-0.jpg"])
        site.add("/copy.mp4", site.pages["/media/good.mp4"].body)
        site.add_product("same-id", 21, sku="good")
        site.add_product("escape", 22, sku="../../escape")
        site.add_html("/products/bad.html", '<script type="application/ld+json">{"@type": "Product",</script>')
        site.add("/loop", b"", status=302, headers={"Location": "/loop"})
        site.add("/offsite", b"", status=301, headers={"Location": elsewhere.url})
        site.add_html("/huge.html", "<p>" + "x" * 1_000_000, endless=True)
        pages = [path for path in site.pages if path.startswith("/products/")]
        site.add_index(*pages, "/loop", "/offsite", "/huge.html", "javascript:void(0)", "http://else.example/")
        summary = crawl(workspace, site.params(max_video_mb=0.3))
        assert elsewhere.requests == []
        yield site, workspace, summary


def test_each_wrong_thing_is_rejected_for_its_own_reason(hostile: tuple[Site, Workspace, CrawlSummary]) -> None:
    site, workspace, summary = hostile
    found = {reject.item.removeprefix(site.url): (reject.reason, reject.product_id) for reject in rejects(workspace)}
    assert found == HOSTILE
    assert sum(summary.rejects.values()) == len(HOSTILE)


def test_what_is_good_in_a_hostile_shop_is_kept(hostile: tuple[Site, Workspace, CrawlSummary]) -> None:
    _, workspace, _ = hostile
    check_catalog(workspace)
    catalog = read_catalog(workspace.data)
    assert list(catalog) == [product_id_of("../../escape"), "good"]
    assert len(catalog["good"].photos) == 1
    assert {path.name for path in workspace.root.iterdir()} == {"data", ".pvtt"}


def test_forbidden_pages_are_not_asked_for(hostile: tuple[Site, Workspace, CrawlSummary]) -> None:
    site, _, _ = hostile
    asked = site.fetched()
    assert not [path for path in asked if "forbidden" in path or path.startswith("/private")]
    assert asked.count("/media/broken.mp4") == 3  # retried
    assert asked.count("/media/html.mp4") == 1


def test_a_name_that_leads_to_a_refused_address_is_not_connected_to(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_index("/products/A1.html")
    start = f"http://localhost:{site.port}/"
    with pytest.raises(PvttError, match="localhost resolves to an address that is refused"):
        crawl(workspace, site.params(start=start, allowed_hosts=["localhost"], allow_loopback=False))
    assert site.requests == []
    assert crawl(workspace, site.params(start=start, allowed_hosts=["localhost"])).num_products == 1


def test_a_start_outside_the_allow_list_is_an_error_with_a_next_step(site: Site, workspace: Workspace) -> None:
    for changes in ({"allowed_hosts": []}, {"allow_loopback": False}, {"start": "shop"}):
        with pytest.raises(ParamsError) as caught:
            crawl(workspace, site.params(**changes))
        assert "allowed_hosts" in (caught.value.hint or "")


def test_a_shop_that_is_down_is_an_error_with_a_next_step(workspace: Workspace) -> None:
    with serving(Site()) as site:
        pass
    with pytest.raises(PvttError, match="cannot be read: http_error: the connection was refused") as caught:
        crawl(workspace, site.params())
    assert "pvtt shop serve" in (caught.value.hint or "")
    assert not workspace.data.exists()


def test_a_shop_without_products_changes_nothing(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_index("/products/A1.html")
    crawl(workspace, site.params())
    before = tree(workspace)
    site.add_index("/missing.html")
    with pytest.raises(PvttError, match=r"no product was found .*\(0 pages were refused, 1 links lead nowhere\)"):
        crawl(workspace, site.params())
    assert tree(workspace) == before
    site.add_index("/products/A1.html")
    assert crawl(workspace, site.params()).num_unchanged == 1


def test_a_robots_file_that_fails_forbids_the_shop(site: Site, workspace: Workspace) -> None:
    site.add("/robots.txt", b"oops", status=503)
    site.add_index()
    with pytest.raises(PvttError, match="robots_forbidden"):
        crawl(workspace, site.params())
    assert site.fetched() == []


def test_past_the_failure_budget_the_good_is_kept_and_the_bad_is_named(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_product("A2", 2)
    site.pages["/media/A2.mp4"].status = 500
    site.add_index("/products/A1.html", "/products/A2.html")
    with pytest.raises(FailureBudgetError, match=r"1 of 2 .*media/A2.mp4: http_error: answered with status 500"):
        crawl(workspace, site.params(max_failed_fraction=0.2))
    check_catalog(workspace)
    assert list(read_catalog(workspace.data)) == ["A1"]


def test_the_product_limit_ends_the_crawl_and_drops_nothing(site: Site, workspace: Workspace) -> None:
    names = [f"P{number}" for number in range(4)]
    for number, name in enumerate(names):
        site.add_product(name, number, photos=0)
    site.add_index(*[f"/products/{name}.html" for name in names])
    summary = crawl(workspace, site.params(max_products=2))
    assert (summary.num_products, summary.complete) == (2, False)
    assert crawl(workspace, site.params()).num_products == 4
    summary = crawl(workspace, site.params(max_pages=2))
    assert (summary.num_products, summary.num_dropped) == (4, 0)


def test_one_crawl_at_a_time(site: Site, workspace: Workspace) -> None:
    with hold_lock(workspace.state / "crawl.lock", "pvtt crawl"), pytest.raises(LockedError):
        crawl(workspace, site.params())


CRAWL_PROGRAM = """
import sys
from pathlib import Path

from pvtt.crawl import crawl
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams

crawl(Workspace(Path(sys.argv[1])), CrawlParams.from_json(sys.argv[2]))
"""


def _big_shop(site: Site) -> int:
    names = [f"P{number}" for number in range(6)]
    for number, name in enumerate(names):
        site.add_product(name, number)
    site.add_index(*[f"/products/{name}.html" for name in names])
    return len(site.pages)


def _crawlers(workspace: Workspace) -> list[int]:
    """Process ids of the children that crawl for a workspace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"pvtt.crawl.child" in command and str(workspace.state).encode() in command:
                found.append(int(entry.name))
    return found


def _check_resumed(site: Site, workspace: Workspace, num_pages: int, reference: Workspace) -> None:
    interrupted = site.fetched(status=200)
    assert 0 < len(interrupted) < num_pages
    assert not workspace.data.exists()
    site.before = None
    site.requests.clear()
    summary = crawl(workspace, site.params(concurrency=1))
    assert (summary.complete, summary.num_products) == (True, 6)
    # Answered is not yet on disk: at most the request under way is asked for again.
    assert len(set(interrupted) & set(site.fetched())) <= 1
    check_catalog(workspace)
    crawl(reference, site.params())
    assert tree_without_times(workspace) == tree_without_times(reference)
    staging = next((workspace.state / "crawl").glob("*/staging"))
    assert list(staging.iterdir()) == []


def test_kill_9_of_the_crawler_costs_no_finished_work(site: Site, workspace: Workspace, tmp_path: Path) -> None:
    num_pages = _big_shop(site)

    def kill(path: str) -> None:
        if len(site.requests) == 14:
            for process in _crawlers(workspace):
                os.kill(process, signal.SIGKILL)

    site.before = kill
    with pytest.raises(PvttError, match=r"ended early \(exit code -9\)") as caught:
        crawl(workspace, site.params(concurrency=1))
    assert "it continues" in (caught.value.hint or "")
    _check_resumed(site, workspace, num_pages, Workspace(tmp_path / "reference"))


def test_kill_9_of_the_whole_run_costs_no_finished_work(site: Site, workspace: Workspace, tmp_path: Path) -> None:
    num_pages = _big_shop(site)
    arguments = [str(workspace.root), site.params(concurrency=1).to_json()]
    run = subprocess.Popen([sys.executable, "-c", CRAWL_PROGRAM, *arguments], stderr=subprocess.DEVNULL)

    def kill(path: str) -> None:
        if len(site.requests) == 14:
            run.kill()
            run.wait()
            while _crawlers(workspace):  # the child ends with its parent
                pass

    site.before = kill
    assert run.wait(60) == -signal.SIGKILL
    _check_resumed(site, workspace, num_pages, Workspace(tmp_path / "reference"))


def test_what_a_kill_left_in_data_is_put_right(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add_product("A2", 2)
    site.add_index("/products/A1.html", "/products/A2.html")
    crawl(workspace, site.params())
    before = tree_without_times(workspace)
    products = workspace.data / "products"
    (products / "A1" / "product.json").unlink()  # media without their record
    (products / "A2" / "media" / ".tmp-x.mp4").write_bytes(b"half")
    (products / "A2" / "media" / "0000.mp4").write_bytes(b"of an earlier version")
    (products / "A3" / "media").mkdir(parents=True)
    summary = crawl(workspace, site.params())
    assert (summary.num_new, summary.num_unchanged) == (1, 1)
    assert tree_without_times(workspace) == before
    check_catalog(workspace)
    assert not (products / "A3").exists()


def test_json_ld_of_a_page_behind_a_redirect(site: Site, workspace: Workspace) -> None:
    site.add_product("A1", 1)
    site.add("/go", b"", status=302, headers={"Location": "/products/A1.html"})
    site.add_html("/", json_ld() + '<a href="/go">x</a>')
    crawl(workspace, site.params())
    assert read_catalog(workspace.data)["A1"].page_url == f"{site.url}products/A1.html"
