"""A page's bytes as text, whatever its headers say."""

from __future__ import annotations

import codecs
import re

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MAX_BAD = 0.02  # share of the characters beyond ASCII that may be broken in a page of UTF-8
_MIN_PAIRED = 0.9  # share of the bytes beyond ASCII that stand beside another: text of two-byte characters


def page_text(body: bytes, content_type: str | None = None) -> str:
    """The text of a page.

    UTF-8 that decodes is UTF-8. Otherwise an encoding counts that the page or its header names and that decodes it;
    then GB18030, which covers GBK and GB2312, where the bytes look like it.

    Args:
        body: As served, unpacked, or as saved.
        content_type: The header, such as `text/html; charset=gbk`.
    """
    from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, resolve_encoding

    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    text = body.decode("utf-8", "replace")
    num_bad = text.count("\ufffd")
    if not num_bad or num_bad <= _MAX_BAD * sum(1 for character in text if character > "\x7f"):
        return text
    declared = [html_body_declared_encoding(body[:4096]), http_content_type_encoding(content_type)]
    named = [name for name in map(resolve_encoding, filter(None, declared)) if name and name != "utf-8"]
    candidates = [name for name in named if not _is_latin(name)]
    if not candidates and _looks_paired(body):
        candidates.append("gb18030")
    for encoding in candidates:
        widest = "gb18030" if encoding.replace("-", "") in ("gbk", "gb2312", "cp936") else encoding
        text = body.decode(widest, "replace")
        if text.count("\ufffd") <= _MAX_BAD * max(len(text), 1):
            return text
    return body.decode(named[0] if named else "cp1252", "replace")


def _is_latin(encoding: str) -> bool:
    """Whether an encoding is one that servers name by default."""
    return encoding.lower().replace("_", "-") in (
        "cp1252",
        "windows-1252",
        "iso-8859-1",
        "iso8859-1",
        "latin-1",
        "ascii",
    )


def _looks_paired(body: bytes) -> bool:
    """Whether nearly all bytes beyond ASCII stand in pairs, as Chinese characters do and accented letters do not."""
    runs = re.findall(rb"[\x81-\xfe]+", body)
    total = sum(map(len, runs))
    return total > 0 and sum(len(run) for run in runs if len(run) > 1) >= _MIN_PAIRED * total
