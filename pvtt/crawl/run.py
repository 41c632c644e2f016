"""One crawl, from its params to `data/` and its summary."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pvtt.crawl.drafts import CrawlSummary, MediaKind, MediaRef
from pvtt.crawl.feed import read_feed
from pvtt.crawl.folder import BAD_DETAILS, read_folder
from pvtt.crawl.forget import LOCK_FILE
from pvtt.crawl.guard import HostPolicy
from pvtt.crawl.job import CrawlResult
from pvtt.crawl.local import LocalMedia
from pvtt.crawl.origin import local_url, origin_of
from pvtt.crawl.publish import STAGE, Harvest, Published, Resolved, held_contents, publish
from pvtt.crawl.state import CrawlState
from pvtt.crawl.web import WebMedia, collected_drafts, fetch
from pvtt.errors import FailureBudgetError, ParamsError, PvttError
from pvtt.files.hashing import sha256_json
from pvtt.files.lock import hold_lock
from pvtt.files.workspace import Workspace
from pvtt.items.progress import Progress
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import Product, Reject, read_catalog

NUM_NAMED = 5  # failures named in an error message; all are in data/rejects.jsonl
LOCAL_STATE = "local"


def crawl(workspace: Workspace, params: CrawlParams) -> CrawlSummary:
    """Bring `data/` up to date with a source.

    An interrupted crawl is continued by the next one with the same params. `data/` changes only after everything is
    fetched, and products that left the source are removed only if all of it was seen.

    Raises:
        ParamsError: The start does not fit the source or the allow-list.
        MissingInputError: There is no such folder or feed.
        PvttError: The shop cannot be reached, or no row of a feed is a product; nothing was changed.
        FailureBudgetError: Too large a fraction failed, or would be dropped; what was good is in `data/`, the rest in
            `data/rejects.jsonl`, and no product is gone.
        LockedError: Another crawl runs.
        StorageError: The machine's storage failed; the next crawl continues.
    """
    with hold_lock(workspace.state / LOCK_FILE, "pvtt crawl"):
        name = LOCAL_STATE if params.source == "folder" else sha256_json([params.source, params.start])[:16]
        state = CrawlState(workspace.state / STAGE / name)
        try:
            sources = {"shop": _crawl_shop, "folder": _crawl_folder, "feed": _crawl_feed}
            summary = sources[params.source](workspace, params, state)
            _enforce_budget(summary, params)
            _enforce_brake(summary[1], params)
            return summary[0]
        finally:
            state.close()


_Outcome = tuple[CrawlSummary, Published]


def _crawl_shop(workspace: Workspace, params: CrawlParams, state: CrawlState) -> _Outcome:
    start = params.start
    policy = HostPolicy.of(params, start)
    fault = policy.fault(start)
    if fault is not None:
        raise ParamsError(
            f"crawl.start: {start} may not be requested: {fault}",
            "name a web address, and add its host to crawl.allowed_hosts in params.yaml "
            "(a shop on this machine also needs crawl.allow_loopback: true)",
        )
    result = fetch(workspace, params, state, start)
    drafts, refused = collected_drafts(state)
    if not drafts:
        state.finish(complete=False)  # the next crawl asks anew
    if result.start_problem is not None:
        raise PvttError(
            f"the shop at {start} cannot be read: {result.start_problem}", _start_hint(result.start_problem)
        )
    if not drafts:
        raise PvttError(
            f"no product was found at {start} ({len(refused)} pages were refused, "
            f"{result.num_dead} links lead nowhere)",
            "start where the products are listed: pages need schema.org Product data, or OpenGraph tags of a product",
        )
    origins = frozenset({origin_of(start)} | {origin_of(draft.page_url) for draft in drafts})
    complete = not result.num_unanswered and not result.limited
    media = WebMedia(workspace, state)
    harvest = Harvest("shop", origins, drafts, media.resolve, refused, complete, params)
    return _publish(workspace, params, state, harvest, result)


def _crawl_folder(workspace: Workspace, params: CrawlParams, state: CrawlState) -> _Outcome:
    folder = Path(workspace.root / params.start)
    catalog = read_catalog(workspace.data)
    policy = HostPolicy.of(params, None)
    drafts, refused = read_folder(folder, lambda url: policy.fault(url) is None)
    refused = [_of_known_product(one, folder, catalog) if one.reason == BAD_DETAILS else one for one in refused]
    local = LocalMedia(folder, state.staging, held_contents(workspace, catalog), params)
    limited = len(drafts) > params.max_products
    drafts = sorted(drafts, key=lambda draft: draft.product_id)[: params.max_products]
    result = CrawlResult()
    if any(_is_url(ref) for draft in drafts for _, ref in draft.refs()):
        result = fetch(workspace, params, state, None, drafts)
    web = WebMedia(workspace, state)
    total = sum(1 for draft in drafts for _ in draft.refs())
    with Progress(STAGE, total, workspace.progress / f"{STAGE}.json", unit="files") as progress:

        def resolve(kind: MediaKind, ref: MediaRef) -> Resolved:
            progress.advance()
            return web.resolve(kind, ref) if _is_url(ref) else local.resolve(kind, folder / ref.url)

        origins = frozenset({origin_of(local_url("folder", folder, ""))})
        complete = not limited and not result.num_unanswered
        harvest = Harvest("folder", origins, drafts, resolve, refused, complete, params)
        return _publish(workspace, params, state, harvest, result.model_copy(update={"limited": limited}))


def _of_known_product(reject: Reject, folder: Path, catalog: dict[str, Product]) -> Reject:
    """A bad `product.json`'s reject with the product that an earlier crawl found there: it has not left."""
    place = local_url("folder", folder, reject.item.partition("/")[0])
    known = next((product_id for product_id, product in catalog.items() if product.page_url == place), None)
    return reject if known is None else reject.model_copy(update={"product_id": known, "failed": True})


def _crawl_feed(workspace: Workspace, params: CrawlParams, state: CrawlState) -> _Outcome:
    feed = Path(workspace.root / params.start)
    drafts, refused = read_feed(feed, params.columns)
    limited = len(drafts) > params.max_products
    drafts = sorted(drafts, key=lambda draft: draft.product_id)[: params.max_products]
    result = CrawlResult()
    if any(_is_url(ref) for draft in drafts for _, ref in draft.refs()):
        result = fetch(workspace, params, state, None, drafts)
    local = LocalMedia(feed.parent, state.staging, held_contents(workspace, read_catalog(workspace.data)), params)
    web = WebMedia(workspace, state)

    def resolve(kind: MediaKind, ref: MediaRef) -> Resolved:
        return web.resolve(kind, ref) if _is_url(ref) else local.resolve(kind, feed.parent / ref.url)

    result = result.model_copy(update={"limited": limited})
    all_named = all(row.product_id is not None for row in refused)
    complete = not result.num_unanswered and not limited and all_named
    origins = frozenset({origin_of(local_url("feed", feed, ""))})
    harvest = Harvest("feed", origins, drafts, resolve, refused, complete, params)
    return _publish(workspace, params, state, harvest, result)


def _start_hint(problem: str) -> str:
    if problem.startswith("robots_forbidden"):
        return (
            "robots.txt says what the owner lets robots read: mend it if the shop is yours, crawl again later if its "
            "server failed; only with the owner's leave set crawl.obey_robots to false in params.yaml"
        )
    if problem.startswith("rate_limited"):
        return "crawl again later, or with a larger crawl.delay_s: what was fetched is kept"
    return "is it up? `pvtt shop serve` serves the sample shop, and `make run` does so by itself"


def _is_url(ref: MediaRef) -> bool:
    return "://" in ref.url


def _publish(
    workspace: Workspace, params: CrawlParams, state: CrawlState, harvest: Harvest, result: CrawlResult
) -> _Outcome:
    published = publish(workspace, harvest)
    state.finish(harvest.complete)
    products = published.catalog.values()
    notes = list(result.notes)
    if published.dropped:
        notes.append(f"dropped, as they left the source or are off-spec now: {_named(published.dropped)}")
    if published.kept:
        notes.append(f"kept, although this crawl did not get them: {_named(published.kept)}")
    if published.foreign:
        notes.append(f"kept from other sources: {_named(published.foreign)}; delete data/ first to leave them out")
    if result.limited:
        notes.append("a limit ended the crawl: crawl.max_products or crawl.max_pages")
    summary = CrawlSummary(
        source=params.source,
        start=params.start,
        complete=harvest.complete,
        num_products=len(products),
        num_new=len(published.new),
        num_changed=len(published.changed),
        num_unchanged=len(published.unchanged),
        num_dropped=len(published.dropped),
        num_videos=sum(len(product.videos) for product in products),
        num_photos=sum(len(product.photos) for product in products),
        num_downloads=result.num_downloads,
        num_not_modified=result.num_not_modified,
        rejects=dict(sorted(Counter(reject.reason for reject in published.rejects).items())),
        notes=tuple(notes),
    )
    return summary, published


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return f"{len(names)} products ({', '.join(sorted(names)[:NUM_NAMED])}{more})"


def _enforce_brake(published: Published, params: CrawlParams) -> None:
    if published.braked:
        raise FailureBudgetError(
            f"crawl: {_named(published.braked)} are no longer offered, more than "
            f"max_dropped_fraction={params.max_dropped_fraction} of this source's: none was dropped",
            "if a disk is not mounted, or a shop turned the crawler away, mend that and crawl again; if they have "
            "really left: `pvtt crawl --max-dropped 1`",
        )


def _enforce_budget(outcome: _Outcome, params: CrawlParams) -> None:
    summary, published = outcome
    failed = [reject for reject in published.rejects if reject.failed]
    total = summary.num_new + summary.num_changed + summary.num_unchanged + len(published.rejects)
    if not failed or len(failed) <= params.max_failed_fraction * total:
        return
    named = "; ".join(f"{reject.item}: {reject.reason}: {reject.message}" for reject in failed[:NUM_NAMED])
    more = f"; and {len(failed) - NUM_NAMED} more" if len(failed) > NUM_NAMED else ""
    raise FailureBudgetError(
        f"crawl: {len(failed)} of {total} products and requests failed, more than "
        f"max_failed_fraction={params.max_failed_fraction}: {named}{more}",
        "read data/rejects.jsonl, then crawl again: what was fetched is kept and not fetched twice",
    )
