"""Item pages of JD, Taobao and Tmall in the shapes that they are served in, and as a browser saves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvtt.crawl import crawl
from pvtt.crawl.decode import page_text
from pvtt.crawl.drafts import ProductDraft
from pvtt.crawl.folder import read_folder
from pvtt.crawl.pages import read_html_page
from pvtt.errors import MissingInputError
from pvtt.files.workspace import Workspace
from pvtt.params.crawl import CrawlParams
from pvtt.records.catalog import read_catalog
from tests.crawl.checks import check_catalog, rejects
from tests.crawl.site import Site, photo_bytes, video_bytes

RING = "金戒指 750"
JD = """<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}"><title>-京东</title>
<script charset="gbk">
var pageConfig = {{
    compatible: true,
    product: {{
        modules: ['address', 'prom'], imageAndVideoJson: {{"mainVideoId":"208690205"}},
        skuid: 3888216,
        skuMarkJson: {{"isxg":false}},
        name: '{name}',
        skuidkey:'FEB7', href: '//item.jd.com/3888216.html',
        src: 'jfs/t1/1.jpg',
        imageList: ["jfs/t1/1.jpg","jfs/t1/2.jpg"],
        cat: [1,2,3], /*cmsSuit: table: 0x41eebd70,*/
        catName: ["珠宝","戒指","黄金戒指"],
        recommend : [0,1,2], twoColumn: true }}
}};
</script></head><body><div class="sku-name">金戒指 750</div>{body}</body></html>"""
TAOBAO = """<html><head><title>金戒指 750-淘宝网</title><script>
var g_config = {
    startTime: +new Date, t: '20140819', descUrl: location.protocol==='http:' ? '//a/1' : '//a/2',
    itemId           : '592023488090',
    idata            : {
        item: { id: '592023488090', title: '\\u91D1\\u6212\\u6307 750', pic: '//gd3.alicdn.com/1.jpg', price: '',
                initSizeJs:false, stepdata: { }, disableAddToCart : !true,
                auctionImages    : ["//gd3.alicdn.com/1.jpg","//gd1.alicdn.com/2.jpg_400x400.jpg"] },
        seller: { id: '2206', mode: 0, shopAge: '-1' ,status: 0 } }, vdata :{ }
};
</script></head><body><video src="//cloud.video.taobao.com/play/x.mp4"></video></body></html>"""
TMALL = """<title>金戒指 750-tmall.com天猫</title><div class="tb-detail-hd"><h1> 金戒指 750 </h1></div>
<ul id="J_UlThumb"><li><img src="//img.alicdn.com/1.jpg_60x60q90.jpg"></li>
<li><img src="//img.alicdn.com/2.jpg"></li></ul>
<script>TShop.poc('buyshow'); (function () { TShop.Setup({ rstShopId: 57, renderSystemServer: 'http://render',
 "valCartInfo": { "dbNum": "", "statsUrl": "http://x/1.gif?category=cart_{loc}_3" },
 "itemDO": { 'categoryId': '3338', 'itemId': '592023488090', 'isBidden': false, 'brand': '' },
 "tradeConfig": { 1: "http://a", 2: "http://b" },
 "imgVedioUrl": "//cloud.video.taobao.com/play/x.mp4" }); })();</script>"""
TMALL_JSON = """<script>TShop.Setup({"itemDO":{"itemId":"592023488090","title":"金戒指 750","categoryId":"1"},
"propertyPics":{"default":["//img.alicdn.com/1.jpg","//img.alicdn.com/2.jpg"]},
"imgVedioUrl":"//cloud.video.taobao.com/play/x.mp4"});</script>"""
ICE = """<script>!(function () {var a = window.__ICE_APP_CONTEXT__ || {};var b = {"appData":null,"loaderData":{"home":
{"data":{"res":{"seller":{"shopId":12},"item":{"itemId":592023488090,"title":"金戒指 750","images":
["https://img.alicdn.com/1.jpg","https://img.alicdn.com/2.jpg"],"videos":[{"type":"1","url":
"https://cloud.video.taobao.com/play/x.mp4?appKey=1"}]}}}}}};for (var k in a) {b[k] = a[k]}window.__ICE_APP_CONTEXT__=b;
})();</script>"""


def draft_of(text: str, url: str) -> ProductDraft:
    (draft,) = read_html_page(text, url).drafts
    return draft


@pytest.mark.parametrize("escaped", [False, True])
def test_a_page_of_jd(escaped: bool) -> None:
    name = "".join(f"\\u{ord(one):04x}" for one in RING) if escaped else RING
    draft = draft_of(JD.format(charset="gbk", name=name, body=""), "https://item.jd.com/3888216.html")
    assert (draft.product_id, draft.title, draft.category) == ("3888216", RING, "黄金戒指")
    assert [ref.url for ref in draft.photos] == [f"https://img14.360buyimg.com/n0/jfs/t1/{n}.jpg" for n in (1, 2)]


@pytest.mark.parametrize("text", [TAOBAO, TMALL, TMALL_JSON, ICE])
def test_a_page_of_taobao_and_tmall(text: str) -> None:
    draft = draft_of(text, "https://detail.tmall.com/item.htm?id=592023488090")
    assert (draft.product_id, draft.title) == ("592023488090", RING)
    assert [ref.url.rpartition("/")[2] for ref in draft.photos] == ["1.jpg", "2.jpg"]
    assert [ref.url.partition("?")[0] for ref in draft.videos] == ["https://cloud.video.taobao.com/play/x.mp4"]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://login.taobao.com/member/login.jhtml", "<html>"),
        ("https://passport.jd.com/new/login.aspx", "<html>"),
        ("https://detail.tmall.com/item.htm?id=1", '<script>location="//login.taobao.com/member/login.jhtml"</script>'),
        ("https://item.taobao.com/item.htm?id=1", "<div id='x5secdata'>"),
    ],
)
def test_a_wall_is_called_a_wall(url: str, text: str) -> None:
    record = read_html_page(text, url)
    assert "login or a captcha" in (record.problem or "")


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "header", [None, "text/html; charset=utf-8", "text/html; charset=gbk", "text/html; charset=iso-8859-1"]
)
@pytest.mark.parametrize("meta", ["gbk", "utf-8", ""])
def test_chinese_is_read_whatever_the_header_says(encoding: str, header: str | None, meta: str) -> None:
    text = f'<meta charset="{meta}"><p>{RING}，足金，送礼 ring</p>'
    assert page_text(text.encode(encoding), header) == text


@pytest.mark.parametrize(
    ("text", "encoding", "header"),
    [
        ("<p>Café, naïve, façade</p>", "cp1252", "text/html; charset=iso-8859-1"),
        ("<p>Café, naïve, façade</p>", "cp1252", None),
        ('<meta charset="shift_jis"><p>金の指輪です</p>', "shift_jis", None),
        ("<p>кольцо</p>", "cp1251", "text/html; charset=windows-1251"),
    ],
)
def test_other_encodings_are_what_they_say(text: str, encoding: str, header: str | None) -> None:
    assert page_text(text.encode(encoding), header) == text


def save(folder: Path, name: str, text: str, files: dict[str, bytes], encoding: str = "gbk") -> None:
    (folder / f"{name}_files").mkdir(parents=True)
    (folder / f"{name}.html").write_bytes(text.encode(encoding))
    for file, body in files.items():
        (folder / f"{name}_files" / file).write_bytes(body)


def test_saved_pages_are_products_of_a_folder(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    saved_from = "<!-- saved from url=(0033)https://item.jd.com/3888216.html -->"
    player = '<video src="./ring_files/v.mp4"></video>'
    save(
        folder, "ring", saved_from + JD.format(charset="utf-8", name=RING, body=player),
        {"v.mp4": video_bytes(1), "1.jpg": photo_bytes(1), "2.jpg": photo_bytes(2)},
    )  # fmt: skip
    save(folder, "list", "<html><h1>戒指</h1></html>", {})
    summary = crawl(workspace, CrawlParams(source="folder", start=str(folder)))
    check_catalog(workspace)
    product = read_catalog(workspace.data)["3888216"]
    assert (product.title, len(product.videos), len(product.photos)) == (RING, 1, 2)
    assert [(one.item, one.reason) for one in rejects(workspace)] == [("list.html", "bad_product_data")]
    assert (summary.complete, summary.num_dropped) == (True, 0)


def test_what_a_saved_page_names_may_be_fetched(site: Site, workspace: Workspace, tmp_path: Path) -> None:
    site.add("/v.mp4", video_bytes(1))
    text = TMALL_JSON.replace("//cloud.video.taobao.com/play/x.mp4", f"{site.url}v.mp4")
    save(tmp_path / "saved", "ring", f"<html>{text}", {"1.jpg": photo_bytes(1)}, "utf-8")
    crawl(
        workspace, site.params(source="folder", start=str(tmp_path / "saved"), allowed_hosts=[f"127.0.0.1:{site.port}"])
    )
    product = read_catalog(workspace.data)["592023488090"]
    assert ([video.url for video in product.videos], len(product.photos)) == ([f"{site.url}v.mp4"], 1)
    assert {one.reason for one in rejects(workspace)} == {"forbidden_host"}  # the photo that was not saved


def test_a_folder_of_nothing_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="holds no directories"):
        read_folder(tmp_path)
