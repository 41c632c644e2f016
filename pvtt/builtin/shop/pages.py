"""The shop's pages: plain HTML with schema.org data, as a small real shop has them."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from pvtt.builtin.shop.catalog import LICENSE, Entry
from pvtt.builtin.shop.products import CATEGORIES

NAME = "Lumera & Co."
FORBIDDEN = "/products/private/"

STYLE = """
:root { --ink: #222; --soft: #6b6b6b; --paper: #faf8f5; --line: #e5e0d8; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 Georgia, serif; color: var(--ink); background: var(--paper); }
header, main, footer { max-width: 68rem; margin: auto; padding: 1.2rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; flex-wrap: wrap; border-bottom: 1px solid var(--line); }
header strong { font-size: 1.4rem; letter-spacing: .04em; }
a { color: inherit; text-decoration: none; } a:hover { text-decoration: underline; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; } nav a { color: var(--soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1.4rem; }
.card img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: .4rem; display: block; }
.card span { display: block; margin-top: .4rem; font-size: .95rem; }
.product { display: grid; grid-template-columns: 3fr 2fr; gap: 2rem; }
.product video { width: 100%; border-radius: .4rem; background: #ddd; }
.photos { display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem; margin-top: .6rem; }
.photos img { width: 100%; border-radius: .3rem; display: block; }
footer { color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); margin-top: 2rem; }
@media (max-width: 44rem) { .product { grid-template-columns: 1fr; } }
"""

_PLURALS = {
    "ring": "Rings",
    "bracelet": "Bracelets",
    "pendant": "Pendants",
    "watch": "Watches",
    "bottle": "Bottles",
    "box": "Boxes",
    "mug": "Mugs",
}


def page_path(entry: Entry) -> str:
    """Path of an entry's page below the site."""
    if entry.defect == "robots_forbidden":
        return f"{FORBIDDEN.strip('/')}/{entry.product_id.lower()}.html"
    return f"products/{entry.product_id.lower()}.html"


def _price(entry: Entry) -> str:
    return f"{19 + entry.spec.seed % 180}.00"


def _layout(title: str, body: str, head: str = "") -> str:
    links = "".join(f'<a href="/category/{name}.html">{text}</a>' for name, text in _PLURALS.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<link rel="stylesheet" href="/style.css">
{head}</head>
<body>
<header><a href="/"><strong>{html.escape(NAME)}</strong></a><nav>{links}</nav></header>
<main>
{body}
</main>
<footer>A sample shop. Every product, photo and video is procedural and in the public domain (CC0).</footer>
</body>
</html>
"""


def _cards(entries: Sequence[Entry]) -> str:
    cards = "\n".join(
        f'<a class="card" href="/{page_path(entry)}"><img src="/{entry.photo_paths[0]}" alt="" loading="lazy">'
        f"<span>{html.escape(entry.spec.title)}</span></a>"
        for entry in entries
    )
    return f'<div class="grid">\n{cards}\n</div>'


def index_page(entries: Sequence[Entry]) -> str:
    """The front page, with a link to every product."""
    return _layout(NAME, f"<h1>Made to be looked at</h1>\n{_cards(entries)}")


def category_page(category: str, entries: Sequence[Entry]) -> str:
    """The page of one category."""
    chosen = [entry for entry in entries if entry.spec.category == category]
    return _layout(f"{_PLURALS[category]} – {NAME}", f"<h1>{_PLURALS[category]}</h1>\n{_cards(chosen)}")


def linked_data(entry: Entry) -> dict[str, Any]:
    """schema.org Product with its ImageObjects and VideoObject."""
    title = entry.spec.title
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "sku": entry.product_id,
        "productID": entry.product_id,
        "name": title,
        "category": entry.spec.category,
        "description": entry.spec.caption,
        "license": LICENSE,
        "brand": {"@type": "Brand", "name": entry.spec.brand},
        "offers": {"@type": "Offer", "price": _price(entry), "priceCurrency": "USD"},
        "image": [{"@type": "ImageObject", "contentUrl": f"/{path}", "license": LICENSE} for path in entry.photo_paths],
    }
    films = [
        {
            "@type": "VideoObject",
            "name": f"{title}, film {number}",
            "description": entry.spec.caption,
            "contentUrl": f"/{path}",
            "thumbnailUrl": f"/{entry.photo_paths[0]}",
            "uploadDate": "2026-01-01",
            "encodingFormat": "video/mp4",
            "duration": f"PT{film.duration_s:.2f}S",
            "license": LICENSE,
        }
        for number, (path, film) in enumerate(zip(entry.video_paths, entry.films, strict=True), start=1)
    ]
    if films:
        data["subjectOf"] = films
    return data


def product_page(entry: Entry) -> str:
    """A product's page."""
    title = html.escape(entry.spec.title)
    photos, videos = entry.photo_paths, entry.video_paths
    data = json.dumps(linked_data(entry), indent=1).replace("</", "<\\/")
    head = (
        f'<meta property="og:type" content="product">\n<meta property="og:title" content="{title}">\n'
        f'<meta property="og:image" content="/{photos[0]}">\n'
        + "".join(f'<meta property="og:video" content="/{path}">\n' for path in videos)
        + f'<script type="application/ld+json">\n{data}\n</script>\n'
    )
    films = "".join(
        f'<video src="/{path}" poster="/{photos[0]}" controls loop preload="none"></video>' for path in videos
    )
    pictures = "".join(f'<img src="/{path}" alt="{title}" loading="lazy">' for path in photos)
    body = f"""<article class="product">
<div>{films}<div class="photos">{pictures}</div></div>
<div><h1>{title}</h1><p>{html.escape(entry.spec.caption)}.</p><p><strong>${_price(entry)}</strong></p></div>
</article>"""
    return _layout(f"{entry.spec.title} – {NAME}", body, head)


def robots() -> str:
    """robots.txt, which forbids one page."""
    return f"User-agent: *\nDisallow: {FORBIDDEN}\nSitemap: /sitemap.xml\n"


def sitemap(entries: Sequence[Entry]) -> str:
    """sitemap.xml, with paths for addresses, since the sample shop has no host of its own."""
    urls = "\n".join(f"<url><loc>/{page_path(entry)}</loc></url>" for entry in entries)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n'


def all_pages(entries: Sequence[Entry]) -> dict[str, str]:
    """Every text file of the site by its path."""
    pages = {"index.html": index_page(entries), "style.css": STYLE.lstrip(), "robots.txt": robots()}
    pages["sitemap.xml"] = sitemap(entries)
    pages |= {f"category/{category}.html": category_page(category, entries) for category in CATEGORIES}
    return pages | {page_path(entry): product_page(entry) for entry in entries}
