from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego

from pvtt.crawl.robots import MAX_ROBOTS_BYTES, RobotsUnreachableError, read_rules, rules_of, unpacked

RFC_GROUPS = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: pvtt
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: otherbot
User-Agent: thirdbot
Disallow: /example/
"""  # RFC 9309, 5.1, with our name for one of its robots


def allowed(text: str | bytes, path: str) -> bool:
    body = text.encode() if isinstance(text, str) else text
    return read_rules(body).forbidding(f"https://shop.example{path}") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/example/page.html", True),
        ("/example/allowed.gif", True),
        ("/", False),
        ("/example/page", False),
        ("/publications/", False),
        ("/robots.txt", True),
    ],
)
def test_the_simple_example_of_the_rfc(path: str, expected: bool) -> None:
    assert allowed(RFC_GROUPS, path) is expected


def test_the_longest_match_of_the_rfc() -> None:
    text = "User-Agent: pvtt\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"  # 5.2
    assert not allowed(text, "/example/page/disallowed.gif")
    assert allowed(text, "/example/page/other.gif")


@pytest.mark.parametrize(
    ("rule", "path"),
    [  # 2.2.2 and 2.2.3
        ("/foo/bar?baz=qux", "/foo/bar?baz=qux"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ"),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"),
        ("/path/foo-%24", "/path/foo-$"),
        ("/a*b", "/axxb"),
        ("/a*b*c", "/abbc/more"),
        ("*.gif$", "/x/y.gif"),
        ("/fish*", "/fish"),
        ("/*?", "/x?"),
        ("/$", "/"),
        ("/a$b", "/a$b"),
        ("/a b", "/a%20b"),
        ("private", "/private/1"),  # without its slash
        ("/**/x", "/a/x"),
    ],
)
def test_rules_that_match(rule: str, path: str) -> None:
    assert not allowed(f"User-agent: *\nDisallow: {rule}\n", path)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/foo", "/Foo"),
        ("/a/b", "/a%2Fb"),
        ("/a%2Fb", "/a/b"),
        ("*.gif$", "/x.gif?y"),
        ("/$", "/a"),
        ("/a*b$", "/ab/"),
        ("/path/foo-%24", "/path/foo-"),
        ("/file-%2A", "/file-x"),
        ("/fish/", "/fish"),
        ("", "/"),
        ("https://shop.example/", "/"),
    ],
)
def test_rules_that_do_not_match(rule: str, path: str) -> None:
    assert allowed(f"User-agent: *\nDisallow: {rule}\n", path)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("Allow: /p\nDisallow: /", True),
        ("Disallow: /\nAllow: /p", True),
        ("Allow: /folder\nDisallow: /folder", True),  # a tie
        ("Allow: /folder\nDisallow: /folder/p", False),
        ("Disallow: /*.htm\nAllow: /page", False),
        ("Disallow: /\nAllow: /index.html", False),
    ],
)
def test_the_most_octets_decide(rules: str, expected: bool) -> None:
    paths = {"Allow: /folder": "/folder/page", "Disallow: /*.htm": "/page.htm", "Disallow: /\nAllow: /index": "/"}
    path = next((path for start, path in paths.items() if rules.startswith(start)), "/page")
    assert allowed(f"User-agent: *\n{rules}\n", path) is expected


@pytest.mark.parametrize("name", ["pvtt", "PVTT", "Pvtt/0.1", "pvtt/9", "pvtt 2.0", "pvtt*", "pvtt # us"])
def test_lines_with_our_name(name: str) -> None:
    text = f"User-agent: *\nDisallow:\n\nUser-agent: {name}\nDisallow: /\n"
    assert not allowed(text, "/x")


@pytest.mark.parametrize(
    "name", ["pv", "pvttbot", "my-pvtt", "pvtt-images", "product", "Mozilla/5.0 (pvtt)", "0.1", ""]
)
def test_lines_with_another_name(name: str) -> None:
    text = f"User-agent: {name}\nDisallow: /\n\nUser-agent: *\nDisallow: /y\n"
    assert allowed(text, "/x")
    assert not allowed(text, "/y")


def test_groups_of_one_name_are_one_and_shut_out_the_others() -> None:
    text = "User-agent: pvtt/0.1\nDisallow: /a\n\nUser-agent: *\nDisallow: /c\n\nuser-agent: PVTT\nDisallow: /b\n"
    assert [allowed(text, path) for path in ("/a", "/b", "/c")] == [False, False, True]


@pytest.mark.parametrize(
    "foreign",
    ["Sitemap: https://shop.example/s.xml", "Noindex: /x", "Crawl-delay: 5", "# a word", "", "oops", "Host: x"],
)
def test_a_foreign_line_does_not_end_the_names_of_a_group(foreign: str) -> None:
    text = f"User-agent: pvtt\n{foreign}\nUser-agent: other\nDisallow: /\n"
    assert not allowed(text, "/x")


def test_a_rule_does_and_a_rule_of_nobody_counts_for_nobody() -> None:
    assert allowed("Disallow: /\nUser-agent: pvtt\nDisallow:\nUser-agent: other\nDisallow: /\n", "/x")


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /x",
        "User-agent: *\nDisallow: /x".encode("utf-16"),
        "User-agent: *\nDisallow: /x".encode("utf-32"),
        b"User-agent: *\rDisallow: /x\r",
        b"\r\n\r\n  user-AGENT :\t*  \r\n\tDISALLOW:/x#y\r\n",
        b"useragent: *\ndisalow /x",
        b"# caf\xe9\nUser-agent: *\nAllow: /\xff\nDisallow: /x",
        b"User-agent: *\nDisallow: /x\n" + b"#" * MAX_ROBOTS_BYTES,
    ],
)
def test_lines_that_can_be_read_count(body: bytes) -> None:
    assert not allowed(body, "/x")
    assert allowed(body, "/y")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-16"])
def test_a_path_in_another_encoding(encoding: str) -> None:
    assert not allowed("User-agent: *\nDisallow: /私人/\n".encode(encoding), "/%E7%A7%81%E4%BA%BA/1")


def test_nothing_counts_behind_the_limit_and_half_a_line_neither() -> None:
    start = b"User-agent: *\nDisallow: /\n"
    filler = b"#" * (MAX_ROBOTS_BYTES - len(start) - 20) + b"\n"
    assert not allowed(start + filler + b"Allow: /page" + b"x" * 100 + b"\n", "/page")
    assert not allowed(start + filler + b"#" * 100 + b"\nAllow: /page\n", "/page")


BODY = b"User-agent: *\nDisallow: /x\n"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451, 499])
def test_no_robots_file_allows_all(status: int) -> None:
    assert rules_of(status, BODY).rules == ()


@pytest.mark.parametrize("status", [300, 301, 304, 429, 500, 502, 503, 504, 599, 600, 999])
def test_a_server_that_fails_forbids_all(status: int) -> None:
    with pytest.raises(RobotsUnreachableError, match=str(status)):
        rules_of(status, BODY)


@pytest.mark.parametrize("status", [200, 203, 206, 299])
def test_an_answer_is_read(status: int) -> None:
    assert len(rules_of(status, BODY).rules) == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY, "gzip"),
        (gzip.compress(BODY, mtime=0)[:-9], "gzip"),
        (gzip.compress(BODY, mtime=0)[:-9], ""),
        (BODY, "br"),
        (b"\x00\x01\x02", ""),
        ("User-agent: *".encode("utf-16-le"), ""),
    ],
)
def test_bytes_that_cannot_be_read_forbid_all(body: bytes, encoding: str) -> None:
    with pytest.raises(RobotsUnreachableError):
        read_rules(unpacked(body, encoding))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(BODY, mtime=0), "gzip"),
        (gzip.compress(BODY, mtime=0), "x-gzip"),
        (gzip.compress(BODY, mtime=0), ""),
        (zlib.compress(BODY), "deflate"),
        (gzip.compress(zlib.compress(BODY), mtime=0), "deflate, GZIP"),
        (BODY, "identity"),
        (gzip.compress(BODY + b"#" * 10**8), "gzip"),
    ],
)
def test_packed_bytes_are_unpacked_up_to_the_limit(body: bytes, encoding: str) -> None:
    assert len(read_rules(unpacked(body, encoding)).rules) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-agent: *\nCrawl-delay: 2.5\nDisallow: /x", 2.5),
        ("User-agent: *\nDisallow: /x\nCrawl-delay: 7", 7),
        ("User-agent: *\nCrawl-delay: 9\n\nUser-agent: pvtt\nDisallow: /x", 0),
        ("User-agent: slow\nCrawl-delay: 3600\nUser-agent: *\nDisallow: /x", 0),
        ("User-agent: pvtt\nCrawl-delay: 1\nUser-agent: PVTT/1\nCrawl-delay: 3", 3),
        ("User-agent: *\nCrawl-delay: soon", 0),
        ("User-agent: *\nCrawl-delay: -1", 0),
        ("User-agent: *\nCrawl-delay: inf", 0),
        ("User-agent: *\nCrawl-delay: nan", 0),
        ("Crawl-delay: 3", 0),
    ],
)
def test_crawl_delay(text: str, expected: float) -> None:
    assert read_rules(text.encode()).crawl_delay_s == expected


def test_the_line_that_forbids_is_named() -> None:
    line = read_rules(b"User-agent: *\nAllow: /x\nDisallow: /x/\x1b[31m # ours\n").forbidding(
        "https://shop.example/x/%1B[31m"
    )
    assert line == "line 3: Disallow: /x/[31m # ours"


PATHS = st.text("/ab.", min_size=1, max_size=5)
RULES = st.lists(
    st.tuples(st.sampled_from(["Allow", "Disallow"]), PATHS, st.sampled_from(["", "*", "*b", "$"])), max_size=4
)


@settings(max_examples=300)
@given(RULES, PATHS)
def test_matching_is_that_of_another_reader(rules: list[tuple[str, str, str]], path: str) -> None:
    text = "User-agent: *\n" + "".join(f"{field}: /{start}{end}\n" for field, start, end in rules)
    url = f"https://shop.example/{path}"
    assert (read_rules(text.encode()).forbidding(url) is None) == Protego.parse(text).can_fetch(url, "pvtt"), text


@settings(max_examples=100)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.text(max_size=50))
def test_no_bytes_break_the_reader(body: bytes, path: str) -> None:
    try:
        rules = read_rules(b"User-agent: *\nDisallow: /" + body)
    except RobotsUnreachableError:
        return
    rules.forbidding("https://shop.example/" + path)
