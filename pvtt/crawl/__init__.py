"""Products from a shop, a folder or a partner's feed into `data/`.

    shop ──┐                                       ┌─► data/products/<id>/product.json, media/<sha256[:16]>.<ext>
    feed ──┼─► drafts ─► media (checked on bytes) ─┤
    folder ┘                                       └─► data/rejects.jsonl

Whatever is fetched over the network is fetched in a child process (`pvtt.crawl.child`), which keeps what it has in
`.pvtt/crawl/`; `data/` itself is only changed afterwards, file by file and atomically (`pvtt.crawl.publish`).
"""

from pvtt.crawl.drafts import CrawlSummary
from pvtt.crawl.run import crawl

__all__ = ["CrawlSummary", "crawl"]
