"""Great Expectations' pages, made to read well from a disk without a network, and to be equal bytes for equal data.

As they come, they fetch Bootstrap, jQuery, icons and a logo from six hosts, and draw their index with those scripts.
Here what is fetched is taken out, a style of our own stands in for it, and the index is a plain page.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from uuid import UUID

from pvtt.records.expectations import ExpectationResult

_MOMENT = re.compile(r"\b\d{8}T\d{6}\.\d{6}Z\b")  # of loading a table, of writing a page
_RANDOM_ID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")  # of what a page folds and unfolds
NUM_NAMED = 20  # rows of a failed expectation on the start page
_AWAY = r"""["']?\s*(?:https?:)?//"""
_TAKEN_OUT = (
    re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<link\b[^>]*>", re.IGNORECASE),  # styles, and an icon by a wrong path
    re.compile(rf"<(?:img|iframe|source)\b[^>]*?\b(?:src|srcset)\s*=\s*{_AWAY}[^>]*>", re.IGNORECASE),
    re.compile(r"<footer\b.*?</footer\s*>", re.DOTALL | re.IGNORECASE),  # newsletter, tutorials
    re.compile(rf"@import\s+(?:url\()?{_AWAY}[^;]*;", re.IGNORECASE),
)
_URL_AWAY = re.compile(rf"url\(\s*{_AWAY}[^)]*\)", re.IGNORECASE)
STYLE = """
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif;color:#1d2329;background:#fff}
a{color:#0a58ca}h1,h2,h4,h5,h6{margin:.4em 0;line-height:1.25}h5,.h6{font-weight:600}
ul,ol{margin:.3em 0;padding-left:1.3em}
nav.navbar{padding:.4em 1.5em;background:#f3f5f7}.breadcrumb{display:flex;gap:.5em;list-style:none;margin:0;padding:0}
.breadcrumb-item+.breadcrumb-item::before{content:"/ "}
.container-fluid,main{padding:1em 1.5em}.ge-section{padding:0}.row{display:flex;flex-wrap:wrap;gap:0 1em}
.col-12{flex:0 0 100%}.col-6{flex:1 1 20em}.col-lg-2{flex:0 0 15em}.col-lg-10{flex:1 1 30em;min-width:0}
.sticky{position:sticky;top:1em}.card{border:1px solid #d5dade;border-radius:4px;margin:.5em 0}
.card-header{background:#f3f5f7;padding:.4em .7em}.card-body{padding:.7em}
.alert{background:#e9edf1;border-radius:4px;padding:.6em 1em}
nav#navigation ul{list-style:none;padding:.5em}
.btn{display:inline-block;padding:.2em .6em;border:1px solid #5b6670;border-radius:4px;cursor:pointer}
.table-responsive{overflow:auto}table{border-collapse:collapse;max-width:100%;margin:.5em 0}
td,th{border-top:1px solid #d5dade;padding:.3em .7em;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.text-success{color:#146c43}.text-danger{color:#b02a37}.text-warning{color:#8a6100}i.fas{font-style:normal}
.badge{padding:.1em .4em;border-radius:3px;background:#e9edf1}.show-scrollbars{overflow:auto}
.fa-check-circle::before{content:"\\2713"}.fa-times::before,.fa-times-circle::before{content:"\\2717"}
.fa-exclamation-triangle::before,.fa-exclamation-circle::before{content:"\\26A0"}.fa-question-circle::before{content:"?"}
.cooltip>span{display:none}.cooltip:hover>span{display:inline}
@media(prefers-color-scheme:dark){body{color:#e4e8ec;background:#15191d}a{color:#8ab8ff}
nav.navbar,.card-header,.alert,.badge{background:#242a30}.card,td,th{border-color:#3c444c}
.text-success{color:#6fcf97}.text-danger{color:#ff8a8a}.text-warning{color:#f2c14e}.bg-light{background:#242a30}}
"""
SCRIPT = """
function each(name,act){document.querySelectorAll("."+name).forEach(act)}
function show(shown){const put=e=>{e.style.display=shown?"":"none"};
each("hide-succeeded-validation-target",put);
each("hide-succeeded-validation-target-child",e=>put(e.parentElement));
each("hide-succeeded-validations-column-section-target-child",e=>put(e.parentElement.parentElement))}
function showAllValidations(){show(true)}
function hideSucceededValidations(){show(false)}
"""
_HEAD = f"<style>{STYLE}</style><script>{SCRIPT}</script>"


def finish(data_docs: Path, results: Sequence[ExpectationResult], when: datetime) -> None:
    """Rewrite the pages in place, and delete what none of them shows: 4 MB.

    Args:
        data_docs: As Great Expectations wrote it.
        results: What the index lists, table by table.
        when: Stands for every moment in the pages.
    """
    for page in sorted(data_docs.rglob("*.html")):
        text = _without_chance(page.read_text(encoding="utf-8"), when)
        text = _index(data_docs, results, when) if page == data_docs / "index.html" else offline(text)
        page.write_text(text, encoding="utf-8")
    shutil.rmtree(data_docs / "static", ignore_errors=True)  # logos and fonts that no page shows


def offline(html: str) -> str:
    """A page that asks no host for anything: without scripts, and without styles and pictures of elsewhere."""
    for pattern in _TAKEN_OUT:
        html = pattern.sub("", html)
    return _URL_AWAY.sub("none", html).replace("</head>", f"{_HEAD}</head>", 1)


def _without_chance(html: str, when: datetime) -> str:
    """A page with `when` for every moment in it, and with its random ids numbered in their order."""
    html = _MOMENT.sub(when.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ"), html)
    ids = {name: str(UUID(int=number)) for number, name in enumerate(dict.fromkeys(_RANDOM_ID.findall(html)))}
    return _RANDOM_ID.sub(lambda match: ids[match[0]], html)


def _index(data_docs: Path, results: Sequence[ExpectationResult], when: datetime) -> str:
    """The start page: every table with its state, and every failed expectation with its rows."""
    rows = "".join(_row(data_docs, table, results) for table in dict.fromkeys(result.table for result in results))
    failed = "".join(
        f"<li>{_mark(result)} {escape(result.table)}: {escape(result.expectation)}<br>{escape(_named(result))}</li>"
        for result in results
        if not result.passed
    )
    day = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="UTF-8"><title>Data Docs</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1.0">{_HEAD}</head><body><main>'
        f"<h1>Data Docs</h1><p>What is expected of the data, and what holds. Data of {day} UTC.</p>"
        "<table><thead><tr><th>Table</th><th>Rows</th><th>Passed</th><th>Critical</th><th>Warnings</th><th></th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
        + (f"<h2>What does not hold</h2><ul>{failed}</ul>" if failed else "<p>All expectations hold.</p>")
        + "</main></body></html>\n"
    )


def _row(data_docs: Path, table: str, results: Sequence[ExpectationResult]) -> str:
    of_table = [result for result in results if result.table == table]
    failed = [result.severity for result in of_table if not result.passed]
    page = next(iter(sorted(data_docs.glob(f"validations/{table}/**/*.html"))), None)
    name = escape(table)
    link = name if page is None else f'<a href="{page.relative_to(data_docs).as_posix()}">{name}</a>'
    suite = f'<a href="expectations/{name}.html">what is expected</a>'
    counts = (of_table[0].num_rows, len(of_table) - len(failed), failed.count("critical"), failed.count("warning"))
    return f"<tr><td>{link}</td>{''.join(f'<td>{count}</td>' for count in counts)}<td>{suite}</td></tr>"


def _named(result: ExpectationResult) -> str:
    more = result.num_failed - NUM_NAMED
    text = ", ".join(result.failed_rows[:NUM_NAMED]) or "no row"
    return f"{text} and {more} more, in expectations.jsonl" if more > 0 else text


def _mark(result: ExpectationResult) -> str:
    kind = "danger" if result.severity == "critical" else "warning"
    return f'<strong class="text-{kind}">{result.severity}</strong>'
