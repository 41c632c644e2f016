"""Which source a product is of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

_WITHIN = "//"  # between a place and a name in it: no resolved path has it


def local_url(kind: Literal["folder", "feed"], place: Path, name: str) -> str:
    """The `page_url` of a product of a folder or a feed: where that is, and the product's name in it."""
    path = os.fsencode(place.resolve()).decode("utf-8", "backslashreplace")
    return f"{kind}:{path}{_WITHIN}{name}"


def origin_of(page_url: str) -> str:
    """What a product's `page_url` says of its source: a shop's host and port, or a folder's or feed's whole path.

    >>> origin_of("https://Shop.example:443/rings/1")
    'shop.example'
    >>> origin_of("folder:/disks/autumn/catalogue//RING1")
    'folder:/disks/autumn/catalogue'
    """
    if page_url.startswith(("folder:", "feed:")):
        return page_url.partition(_WITHIN)[0]
    parts = urlsplit(page_url)
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:  # no number, or too large a one
        return host
    return host if port in (None, 80, 443) else f"{host}:{port}"
