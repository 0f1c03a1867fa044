"""An export of every comment system, small and with our own texts, in the real exporter's format.

`write(folder, name)` writes one, with its companion files, and returns what a user would pass to `parley score`.
"""

# ruff: noqa: E501 - the exporters' own line lengths

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

BRIDGE = "https://news.example/bridge"
DISQUS = """`
<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals"\
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\
 xsi:schemaLocation="http://disqus.com/api/schemas/1.0/disqus.xsd">
<category dsq:id="1"><forum>news</forum><title>Town</title><isDefault>true</isDefault></category>
<category dsq:id="2"><forum>news</forum><title>Sport</title><isDefault>false</isDefault></category>
<thread dsq:id="100"><id /><forum>news</forum><category dsq:id="1" />
<link>https://news.example/bridge?a=1&amp;b=2</link><title>Bridge &amp;amp; tunnel to close</title><message />
<createdAt>2024-06-04T10:00:00Z</createdAt><isClosed>false</isClosed><isDeleted>false</isDeleted></thread>
<post dsq:id="12"><id /><message><![CDATA[<p>I <b>agree</b>, it &amp; the tunnel.</p>]]></message>
<createdAt>2024-06-04T18:05:00Z</createdAt><isDeleted>false</isDeleted><isSpam>false</isSpam>
<author><email>ben@mail.example</email><name>Ben</name><isAnonymous>false</isAnonymous><username>ben1</username></author>
<ipAddress>192.0.2.7</ipAddress><thread dsq:id="100" /><parent dsq:id="11" /></post>
<post dsq:id="11"><id>wp_id=1</id><message><![CDATA[<p>Close it.</p>]]></message>
<createdAt>2024-06-04T18:02:00</createdAt><isDeleted>false</isDeleted><isSpam>false</isSpam>
<author><name>Anna&nbsp;M</name><isAnonymous>true</isAnonymous></author><thread dsq:id="100" /></post>
<post dsq:id="13"><id /><message><![CDATA[<p>gone</p>]]></message><createdAt>2024-06-04T18:06:00Z</createdAt>
<isDeleted>true</isDeleted><isSpam>false</isSpam><author><name>X</name></author><thread dsq:id="100" /></post>
<post dsq:id="14"><id /><message><![CDATA[<p>Buy pills</p>]]></message><createdAt>2024-06-04T18:07:00Z</createdAt>
<isDeleted>false</isDeleted><isSpam>true</isSpam><author><name>Y</name></author><thread dsq:id="100" /></post>
<post dsq:id="15"><id /><message><![CDATA[<p>Why was that removed?</p>]]></message>
<createdAt>2024-06-04T18:08:00Z</createdAt><isDeleted>false</isDeleted><isSpam>false</isSpam>
<author><name>Ben</name></author><thread dsq:id="100" /><parent dsq:id="13" /></post>
</disqus>
"""

_WORDPRESS = """<br />
<b>Deprecated</b>: Something is old in <b>/srv/wp/x.php</b> on line <b>3</b><br />
<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file. -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/{v}/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/{v}/">
<channel><title>Site title</title><link>https://news.example</link><wp:wxr_version>{v}</wp:wxr_version>
<item><title><![CDATA[Pool opens & stays open]]></title><link>https://news.example/?p=5</link>
<dc:creator><![CDATA[admin]]></dc:creator><description></description>
<content:encoded><![CDATA[<!-- wp:paragraph --><p>The pool opens on <em>Friday</em>.</p>
<p>It is heated.</p>]]></content:encoded><excerpt:encoded><![CDATA[short]]></excerpt:encoded>
<wp:post_id>5</wp:post_id><wp:post_type>post</wp:post_type>
{comments}</item>
<item><title>About</title><link>https://news.example/about</link><wp:post_id>6</wp:post_id></item>
</channel></rss>
"""


def _wp_comment(id: int, text: str, *, parent: int = 0, approved: str = "1", kind: str = "", user: int = 0,
                gmt: str = "2024-06-04 16:02:00") -> str:  # fmt: skip
    return f"""<wp:comment><wp:comment_id>{id}</wp:comment_id>
<wp:comment_author><![CDATA[Author {id}]]></wp:comment_author>
<wp:comment_author_email><![CDATA[a@mail.example]]></wp:comment_author_email>
<wp:comment_author_IP><![CDATA[192.0.2.1]]></wp:comment_author_IP>
<wp:comment_date><![CDATA[2024-06-04 18:02:00]]></wp:comment_date>
<wp:comment_date_gmt><![CDATA[{gmt}]]></wp:comment_date_gmt>
<wp:comment_content><![CDATA[{text}]]></wp:comment_content>
<wp:comment_approved><![CDATA[{approved}]]></wp:comment_approved>
<wp:comment_type><![CDATA[{kind}]]></wp:comment_type><wp:comment_parent>{parent}</wp:comment_parent>
<wp:comment_user_id>{user}</wp:comment_user_id></wp:comment>
"""


def wordpress(version: str = "1.2") -> str:
    """A WXR file in that version."""
    comments = [
        _wp_comment(21, "First line.\nSecond\x0b line.", user=3),
        _wp_comment(22, "[...] Pool opens [...]", kind="pingback"),
        _wp_comment(23, "Too late!", parent=21, approved="0", kind="comment", gmt="0000-00-00 00:00:00"),
        _wp_comment(24, "Never.", parent=99, approved="trash"),
    ]
    return _WORDPRESS.format(v=version, comments="".join(comments))


def _lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def coral_comment(id: str, body: str, **more: object) -> dict[str, object]:
    revisions = [
        {"id": "r1", "body": "<div>first try</div>", "createdAt": {"$date": "2024-06-04T16:00:00Z"}},
        {"id": "r2", "body": body, "createdAt": {"$date": "2024-06-04T16:02:00Z"}},
    ]
    return {
        "_id": {"$oid": "6"}, "id": id, "tenantID": "t", "siteID": "s", "storyID": "st1", "authorID": "u1",
        "parentID": None, "ancestorIDs": [], "status": "NONE", "revisions": revisions,
        "createdAt": {"$date": "2024-06-04T16:02:00Z"}, **more,
    }  # fmt: skip


def _coral(folder: Path) -> Path:
    folder = folder / "export"
    folder.mkdir()
    (folder / "comments.json").write_text(
        _lines(
            coral_comment("c2", "<div>No, mend it.</div>", parentID="c1", status="REJECTED", authorID="u2"),
            coral_comment("c3", "", deletedAt={"$date": "2024-06-05T00:00:00Z"}, authorID=None),
            coral_comment(
                "c4", "<div>Why?</div>", parentID="c3", createdAt={"$date": {"$numberLong": "1717516920000"}}
            ),
        )
    )
    (folder / "archivedComments.json").write_text(
        _lines(coral_comment("c1", "<div>Close it.</div>", status="APPROVED"))
    )
    story = {"id": "st1", "url": "https://news.example/bridge", "metadata": {"title": "Bridge &amp; tunnel"}}
    (folder / "stories.json").write_text(_lines(story))
    (folder / "users.json").write_text(
        _lines({"id": "u1", "username": "anna"}, {"id": "u2", "username": "ben"})
    )
    return folder


def _csv(*rows: tuple[object, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _coral_csv(folder: Path) -> Path:
    (folder / "comments.csv").write_text(
        _csv(
            (
                "c1",
                "u1",
                "st1",
                "2024-06-04T16:02:00.000Z",
                "<p>Close it,\nall of it.</p>",
                "",
                "APPROVED",
                "",
            ),
            ("c2", "u2", "st1", "2024-06-04T18:05:00+02:00", "No, mend it.", "c1", "REJECTED", ""),
        )
    )
    (folder / "stories.csv").write_text(
        _csv(
            (
                "st1",
                "https://news.example/bridge",
                "Bridge to close",
                "P. Holm",
                "2024-06-04T10:00:00Z",
                "",
                "",
            )
        )
    )
    (folder / "users.csv").write_text(_csv(("u1", "a@mail.example", "anna", "COMMENTER", "", "")))
    return folder / "comments.csv"


def _reddit_comment(id: str, body: str, parent: str, **more: object) -> dict[str, object]:
    return {
        "id": id, "author": "anna", "author_fullname": "t2_a", "body": body, "created_utc": 1717516920, "link_id": "t3_s1",
        "parent_id": parent, "subreddit": "town", "score": 3, "permalink": f"/r/town/comments/s1/x/{id}/", **more,
    }  # fmt: skip


def _reddit(folder: Path) -> Path:
    zstandard = pytest.importorskip("zstandard")
    # The archives use a window of 2 GiB, which readers must allow explicitly.
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    comments = _lines(
        _reddit_comment("c1", "&gt; close it\n\nWhy &amp; **how**?", "t3_s1"),
        _reddit_comment("c2", "[removed]", "t1_c1", author="[deleted]"),
        _reddit_comment("c3", "[deleted]", "t1_c1", author="[deleted]"),
        _reddit_comment(
            "c4", "Never.", "t1_c1", author="[deleted]", author_fullname=None, created_utc="1717516980"
        ),
        _reddit_comment("c5", "Who said so?", "t1_zz"),
    )
    submissions = _lines(
        {
            "id": "s1",
            "title": "Bridge &amp; tunnel",
            "selftext": "It is *old*.",
            "url": "https://news.example/bridge",
        }
    )
    for name, text in (("RC_2024-06.zst", comments), ("RS_2024-06.zst", submissions)):
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        (folder / name).write_bytes(stream.compress(text.encode()) + stream.flush())
    return folder / "RC_2024-06.zst"


def youtube_page(number: int = 1) -> dict[str, object]:
    """A page of commentThreads.list."""

    def comment(id: str, **snippet: object) -> dict[str, object]:
        author = {"authorDisplayName": "Anna", "authorChannelId": {"value": "UC1"}, "videoId": "vid"}
        times = {"publishedAt": "2024-06-04T16:02:00Z", "updatedAt": "2024-06-04T16:02:00Z", "likeCount": 2}
        return {"kind": "youtube#comment", "etag": "x", "id": id, "snippet": {**author, **times, **snippet}}

    top = comment(f"y{number}", textDisplay="So <b>good</b> &amp; long", textOriginal="So *good* & long")
    reply = comment(
        f"y{number}.r",
        textDisplay="It&#39;s <br>short",
        parentId=f"y{number}",
        moderationStatus="heldForReview",
    )
    thread = {
        "kind": "youtube#commentThread",
        "id": f"y{number}",
        "snippet": {"videoId": "vid", "topLevelComment": top, "totalReplyCount": 1},
        "replies": {"comments": [reply]},
    }
    return {"kind": "youtube#commentThreadListResponse", "etag": "e", "nextPageToken": "n", "items": [thread]}


_JIGSAW = _csv(
    ("id", "comment_text", "toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
    ("0001", 'He said "no",\nand left.', 0, 0, 0, 0, 0, 0),
)
_CIVIL = _csv(
    ("id", "target", "comment_text", "severe_toxicity", "created_date", "publication_id", "parent_id", "article_id",
     "rating", "likes"),
    (239, 0.25, "Well said.", 0.0, "2015-09-29 10:50:41.987077+00", 2, "234.0", 2006, "approved", 0),
    (234, 0.0, "Close it.", 0.0, "2015-09-29 10:40:41+00", 2, "", 2006, "rejected", 1),
)  # fmt: skip


def _socc(folder: Path) -> Path:
    (folder / "gnm_comments.csv").write_text(
        _csv(
            ("article_id", "comment_counter", "comment_author", "timestamp", "post_time", "comment_text", "comment_id",
             "parentID", "threadID", "status"),
            ("7", "source1_7_0", "Anna", "x", "2016-06-04T16:02:00", "Close it.", "70", "0", "1", "approved"),
            ("7", "source1_7_0_0", "Ben", "x", "2016-06-04T16:03:00", "No, mend it.", "71", "70", "1", "approved"),
        )
    )  # fmt: skip
    (folder / "gnm_articles.csv").write_text(
        _csv(
            ("article_id", "title", "article_url", "author", "published_date", "article_text"),
            ("7", "Bridge to close", "https://news.example/bridge", "P", "x", "<p>It is <b>old</b>.</p>"),
        )
    )
    return folder


_YNACC = (
    "sdid\tcommentindex\theadline\turl\tguid\tcommentid\ttimestamp\ttext\tparentid\ttopic\n"
    "s1\t0\tBridge to close\thttps://news.example/bridge\tg1\tk1\t1465056120\tClose it.\t\ton\n"
    "s1\t1\tBridge to close\thttps://news.example/bridge\tg2\tk2\t1465056180\tNo, mend it.\tk1\toff\n"
)
_DISCOURSE_URL = "https://forum.example/t/old-bridge/123/{}"
_DISCOURSE = _csv(
    (
        "topic_title",
        "category",
        "sub_category",
        "is_pm",
        "post",
        "like_count",
        "reply_count",
        "url",
        "created_at",
    ),
    (
        "Old bridge",
        "Town",
        "-",
        "No",
        "I *like* it.",
        1,
        0,
        _DISCOURSE_URL.format(4),
        "2024-06-04 16:02:00 UTC",
    ),
    ("Hello", "-", "-", "Yes", "Are you there?", 0, 0, _DISCOURSE_URL.format(5), "2024-06-04 16:03:00 UTC"),
)
_DISCOURSE_NEW = _csv(
    ("topic_title", "categories", "is_pm", "post_raw", "post_cooked", "like_count", "reply_count", "url", "created_at"),
    ("Old bridge", "Town", "No", "I *like* it.", "<p>I <em>like</em> it.</p>", 1, 0, _DISCOURSE_URL.format(4),
     "2024-06-04 16:02:00 UTC"),
)  # fmt: skip
_DISCOURSE_POSTS = _csv(
    (
        "id",
        "topic_id",
        "post_number",
        "reply_to_post_number",
        "user_id",
        "raw",
        "created_at",
        "hidden",
        "deleted_at",
    ),
    (9, 123, 1, "", 5, "I *like* it.", "2024-06-04 16:02:00 UTC", "false", ""),
    (10, 123, 2, 1, 6, "Why?", "2024-06-04 16:03:00 UTC", "false", ""),
    (11, 123, 3, 1, 6, "Oops", "2024-06-04 16:04:00 UTC", "false", "2024-06-05 00:00:00 UTC"),
)
_CORAL_USER = _csv(
    ("Comment ID", "Published Timestamp", "Article URL", "Comment URL", "Comment Text", "Media"),
    (
        "c1",
        "6/4/2024, 4:02:00 PM",
        "https://news.example/bridge",
        "https://x.example",
        "<div>Close it.</div>",
        "",
    ),
)


def _discourse_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("preferences.csv", "a,b\n1,2\n")
        archive.writestr("user_archive.csv", _DISCOURSE_NEW)
    return folder / "archive.zip"


def _isso(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "comments.db")) as base, base:
        base.executescript(
            """
            PRAGMA user_version = 5;
            CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, title VARCHAR(256));
            CREATE TABLE comments (tid REFERENCES threads(id), id INTEGER PRIMARY KEY, parent INTEGER,
              created FLOAT NOT NULL, modified FLOAT, mode INTEGER, remote_addr VARCHAR, text VARCHAR,
              author VARCHAR, email VARCHAR, website VARCHAR, likes INTEGER DEFAULT 0,
              dislikes INTEGER DEFAULT 0, voters BLOB NOT NULL, notification INTEGER DEFAULT 0);
            CREATE TRIGGER remove_stale_threads AFTER DELETE ON comments BEGIN
              DELETE FROM threads WHERE id NOT IN (SELECT tid FROM comments); END;
            INSERT INTO threads VALUES (1, '/bridge/', 'Bridge &amp; tunnel');
            """
        )
        rows = [
            (1, None, 1717516920.5, 1, "Close *it*.", "Anna", 2),
            (2, 1, 1717516980.0, 2, "No, mend it.", None, 0),
            (3, None, 1717517000.0, 4, "", None, 0),
            (4, 3, 1717517010.0, 1, "Why?", "Ben", 0),
        ]
        for id, parent, created, mode, text, author, likes in rows:
            base.execute(
                "INSERT INTO comments VALUES (1,?,?,?,NULL,?,'192.0.2.0',?,?,NULL,NULL,?,0,x'00',0)",
                (id, parent, created, mode, text, author, likes),
            )
    return folder / "comments.db"


_ISSO_JSON = json.dumps(
    [
        {
            "id": "/bridge/",
            "title": "Bridge to close",
            "comments": [
                {"id": 1, "author": "Anna", "email": "", "website": "", "remote_addr": "192.0.2.0",
                 "created": "2024-06-04 16:02:00", "text": "Close *it*."},
                {"id": 2, "author": "Ben", "email": "", "website": "", "remote_addr": "192.0.2.0",
                 "created": "2024-06-04 16:03:00", "text": "No."},
            ],
        }
    ]
)  # fmt: skip


def _remark42(folder: Path) -> Path:
    def comment(id: str, **more: object) -> dict[str, object]:
        where = {"site": "news", "url": "https://news.example/bridge"}
        user = {"name": "anna", "id": "github_1", "picture": "", "ip": "a", "admin": False}
        return {"id": id, "pid": "", "text": "<p>Close <em>it</em>.</p>\n", "user": user, "locator": where,
                "score": 1, "votes": {}, "time": "2024-06-04T18:02:00.5+02:00", **more}  # fmt: skip

    text = '{"version":1,"users":[{"id":"github_1"}],"posts":[]}\n' + _lines(
        comment("k1", orig="Close *it*.", title="Bridge to close"),
        comment("k2", pid="k1", imported=True),
        comment("k3", pid="k1", delete=True, text="", orig=""),
        comment("k4", pid="k3", orig="Why?"),
    )
    (folder / "backup.gz").write_bytes(gzip.compress(text.encode()))
    return folder / "backup.gz"


def _commento_comment(id: str, text: str, parent: str = "root", **more: object) -> dict[str, object]:
    return {
        "commentHex": id, "domain": "news.example", "url": "/bridge", "commenterHex": "aa", "markdown": text,
        "html": "", "parentHex": parent, "score": 1, "state": "approved", "creationDate": "2024-06-04T16:02:00Z",
        "direction": 0, "deleted": False, **more,
    }  # fmt: skip


_COMMENTO = json.dumps(
    {
        "version": 1,
        "comments": [
            _commento_comment("h2", "No, mend it.", "h1", commenterHex="anonymous", state="flagged"),
            _commento_comment("h1", "Close *it*."),
            _commento_comment("h3", "[deleted]", "h1", deleted=True),
            _commento_comment("h4", "I answer myself.", "h4"),
            _commento_comment("h5", "One.", "h6"),
            _commento_comment("h6", "Two.", "h5"),
        ],
        "commenters": [
            {"commenterHex": "aa", "email": "a@mail.example", "name": "Anna", "provider": "commento"}
        ],
    },
    indent=1,
)
_COMENTARIO = json.dumps(
    {
        "version": 3,
        "pages": [{"id": "p1", "path": "/bridge", "title": "Bridge to close"}],
        "commenters": [{"id": "u1", "name": "Anna"}],
        "comments": [
            {"id": "m1", "parentId": None, "pageId": "p1", "markdown": "Close *it*.", "html": "", "score": 0,
             "isApproved": True, "isPending": False, "isDeleted": False, "createdTime": "2024-06-04T16:02:00Z",
             "userCreated": "u1"},
        ],
    }
)  # fmt: skip

_LD = {
    "@context": "https://schema.org",
    "@graph": [
        {
            "@type": ["NewsArticle"], "@id": "https://news.example/bridge#a", "url": "https://news.example/bridge",
            "headline": "Bridge to close", "articleBody": "It is old.",
            "comment": [
                {"@type": "Comment", "@id": "#c1", "text": "Close it.", "author": {"@type": "Person", "name": "Anna"},
                 "dateCreated": "2024-06-04T18:02:00+02:00", "upvoteCount": 4,
                 "comment": [{"@type": "Comment", "@id": "#c2", "text": "No &amp; no.", "author": "Ben",
                              "datePublished": "2024-06-04",
                              "comment": {"@type": "Comment", "identifier": 3, "text": "Yes."}}]},
                {"@type": "Comment", "@id": "#c4", "text": "Late.", "parentItem": {"@id": "#c9"}},
            ],
        },
        {"@type": "BreadcrumbList", "itemListElement": []},
    ],
}  # fmt: skip
_WEB_PAGE = f"""<!DOCTYPE html>
<html><head><title>Bridge</title>
<script>var a = "<p>";</script>
<script type="application/ld+json">{{"@type": "WebSite", "name": "News"}}</script>
<script type='application/ld+json'>
{json.dumps(_LD, indent=1)}
</script></head><body><p>Bridge</p></body></html>
"""


def _note(id: str, content: str | None, **more: object) -> dict[str, object]:
    note = {"id": f"https://s.example/{id}", "type": "Note", "inReplyTo": None, "content": content,
            "attributedTo": "https://s.example/users/anna", "published": "2024-06-04T16:02:00Z", **more}  # fmt: skip
    return {"id": f"https://s.example/{id}/activity", "type": "Create", "object": note}


_OUTBOX = json.dumps(
    {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": "outbox.json",
        "type": "OrderedCollection",
        "totalItems": 7,
        "orderedItems": [
            _note("2", "<p>No, mend it.</p>", inReplyTo="https://s.example/1", summary="angry", sensitive=True),
            _note("1", None, contentMap={"en": "<p>Close it.</p>"}, inReplyTo="https://s.example/a"),
            {"id": "x", "type": "Announce", "object": "https://o.example/7"},
            {"id": "y", "type": "Create", "object": {**_note("a", "<p>It is old.</p>")["object"], "type": "Article",  # type: ignore[dict-item]
                                                     "name": "Bridge to close"}},
            _note("5", "One.", inReplyTo="https://s.example/6"),
            _note("6", "Two.", inReplyTo="https://s.example/5"),
            _note("7", "Just so."),
        ],
    }
)  # fmt: skip


def yt_dlp_comment(id: str, text: str, parent: str = "root") -> dict[str, object]:
    return {"id": id, "parent": parent, "text": text, "author": "@anna", "author_id": "UC1", "timestamp": 1717516920,
            "like_count": 2, "is_favorited": False, "author_is_uploader": False}  # fmt: skip


YT_DLP = (
    '{"id": "vid", "title": "Bridge to close", "formats": [], "thumbnails": [], "comments": [',
    '], "_type": "video"}',
)


def reddit_thing(id: str, text: str, parent: str = "t3_s1", replies: object = "") -> dict[str, object]:
    return {"kind": "t1", "data": {**_reddit_comment(id, text, parent), "replies": replies}}


_REDDIT_SUBMISSION = {
    "kind": "t3",
    "data": {"id": "s1", "title": "Bridge to close", "selftext": "It is *old*.", "url": BRIDGE},
}
REDDIT_LISTING = (
    f'[{{"kind": "Listing", "data": {{"children": [{json.dumps(_REDDIT_SUBMISSION)}]}}}}, {{"kind": "Listing", "data": {{"children": [',
    "]}}]",
)


def listing(*things: object) -> dict[str, object]:
    return {"kind": "Listing", "data": {"children": list(things)}}


def discourse_post(number: int, text: str, answered: int | None = None, **more: object) -> dict[str, object]:
    return {"id": number + 900, "username": "anna", "user_id": 5, "created_at": "2024-06-04T16:02:00.000Z", "cooked": text,
            "post_number": number, "reply_to_post_number": answered, "topic_id": 123, "topic_slug": "old-bridge", **more}  # fmt: skip


DISCOURSE_TOPIC = '{"post_stream": {"posts": [', ']}, "title": "Bridge &amp; tunnel", "id": 123}'


def status(id: str, text: str, answered: str | None = None, visibility: str = "public") -> dict[str, object]:
    return {"id": id, "created_at": "2024-06-04T16:02:00.000Z", "in_reply_to_id": answered, "visibility": visibility,
            "url": f"https://s.example/@anna/{id}", "content": text, "spoiler_text": "", "reblog": None,
            "account": {"id": "9", "acct": "anna@s.example", "username": "anna", "display_name": "Anna"}}  # fmt: skip


def hit(id: str, text: str, parent: int = 7) -> dict[str, object]:
    return {"objectID": id, "author": "anna", "comment_text": text, "story_id": 7, "story_title": "Bridge to close",
            "story_url": BRIDGE, "parent_id": parent, "created_at": "2024-06-04T16:02:00Z"}  # fmt: skip


def stack_row(id: int, text: str) -> str:
    return f'  <row Id="{id}" PostId="9" Score="3" Text="{text}" CreationDate="2024-06-04T16:02:00.000" UserId="5" />\n'


_STACK = f'\ufeff<?xml version="1.0" encoding="utf-8"?>\n<comments>\n{stack_row(1, "Close *it*.")}{stack_row(2, "No.")}</comments>\n'
_STACK_POSTS = '<?xml version="1.0" encoding="utf-8"?>\n<posts><row Id="9" PostTypeId="1" Title="Old bridge" Body="&lt;p&gt;It is old.&lt;/p&gt;" /></posts>'


def _stack_exchange(folder: Path) -> Path:
    (folder / "Posts.xml").write_text(_STACK_POSTS)
    (folder / "Comments.xml").write_text(_STACK, encoding="utf-8")
    return folder / "Comments.xml"


def message(id: int, text: object, answered: int | None = None) -> dict[str, object]:
    return {"id": id, "type": "message", "date": "2024-06-04T18:02:00", "date_unixtime": "1717516920", "from": "Anna",
            "from_id": "user17", "text": text, **({"reply_to_message_id": answered} if answered else {})}  # fmt: skip


TELEGRAM = '{"name": "Town talk", "type": "public_supergroup", "id": 1234, "messages": [', "]}"


def disqus_post(id: str, text: str, parent: int | None = None, **more: object) -> dict[str, object]:
    return {"id": id, "message": text, "raw_message": "x", "createdAt": "2024-06-04T16:02:00", "parent": parent,
            "author": {"username": "anna", "name": "Anna"}, "isDeleted": False, "isSpam": False, "isApproved": True,
            "likes": 2, "thread": {"id": "100", "link": BRIDGE, "title": "Bridge to close"}, **more}  # fmt: skip


DISQUS_API = '{"code": 0, "response": [', "]}"


def discussion_comment(id: str, text: str, *replies: object) -> dict[str, object]:
    return {"id": id, "author": {"login": "anna"}, "bodyHTML": text, "createdAt": "2024-06-04T16:02:00Z",
            "isMinimized": False, "deletedAt": None, "replies": list(replies)}  # fmt: skip


GITHUB = f'{{"discussion": {{"id": "D1", "url": "{BRIDGE}", "comments": [', "]}}"


def waline_comment(id: str, text: str, parent: str | None = None) -> dict[str, object]:
    return {"objectId": id, "comment": text, "nick": "Anna", "mail": "a@mail.example", "link": "", "ip": "192.0.2.7",
            "ua": "x", "url": "/bridge", "pid": parent, "rid": parent, "status": "approved",
            "insertedAt": "2024-06-04T16:02:00.000Z"}  # fmt: skip


WALINE = '{"type": "waline", "version": 1, "tables": ["Comment"], "data": {"Comment": [', "]}}"


def artalk_comment(id: str, text: str, parent: str = "0") -> dict[str, object]:
    return {"id": id, "rid": parent, "content": text, "ip": "192.0.2.7", "ua": "x", "is_pending": "false", "nick": "Anna",
            "created_at": "2024-06-04 16:02:00", "page_key": "/bridge", "page_title": "Bridge to close"}  # fmt: skip


def talk_comment(
    id: str, text: str, parent: str | None = None, status: str = "ACCEPTED"
) -> dict[str, object]:
    return {"_id": {"$oid": "6"}, "id": id, "body": text, "asset_id": "as1", "author_id": "u1", "parent_id": parent,
            "status": status, "created_at": {"$date": "2024-06-04T16:02:00Z"}}  # fmt: skip


def _coral_talk(folder: Path) -> Path:
    folder = folder / "talk"
    folder.mkdir()
    (folder / "comments.json").write_text(
        _lines(talk_comment("2", "No.", "1", "REJECTED"), talk_comment("1", "Close it."))
    )
    (folder / "assets.json").write_text(_lines({"id": "as1", "url": BRIDGE, "title": "Bridge to close"}))
    (folder / "users.json").write_text(_lines({"id": "u1", "username": "anna"}))
    return folder


def blogger_entry(id: int, text: str, *, kind: str = "comment", parent: int | None = None) -> str:
    where = "" if kind == "post" else '<thr:in-reply-to ref="tag:blogger.com,1999:blog-1.post-5"/>'
    above = (
        f'<link rel="related" href="https://www.blogger.com/feeds/1/5/comments/default/{parent}"/>'
        if parent
        else ""
    )
    return (
        f"<entry><id>tag:blogger.com,1999:blog-1.post-{id}</id><published>2024-06-04T18:02:00.000+02:00</published>"
        f"<category scheme='http://schemas.google.com/g/2005#kind' term='http://schemas.google.com/blogger/2008/kind#{kind}'/>"
        f"<title type='text'>Bridge to close</title><content type='html'>{text}</content>"
        f"<link rel='alternate' href='{BRIDGE}'/>{above}<author><name>Anna</name><email>a@mail.example</email></author>{where}</entry>\n"
    )


BLOGGER = (
    "<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:thr='http://purl.org/syndication/thread/1.0'>"
    "<id>tag:blogger.com,1999:blog-1.archive</id><generator uri='http://www.blogger.com'>Blogger</generator>\n"
    + blogger_entry(5, "&lt;p&gt;It is old.&lt;/p&gt;", kind="post"),
    "</feed>",
)
_TAKEOUT = _csv(
    ("Comment ID", "Channel ID", "Comment Create Timestamp", "Price", "Parent Comment ID", "Post ID", "Video ID",
     "Comment Text", "Top-Level Comment ID"),
    ("Ug1", "UC1", "2024-06-04T16:02:00.123456+00:00", 0, "", "", "vid", '{"text":"Close it."},{"text":"\\n"},{"text":"Now."}', ""),
)  # fmt: skip
_REDDIT_OWN = _csv(
    ("id", "permalink", "date", "ip", "subreddit", "gildings", "link", "parent", "body", "media"),
    ("c2", "https://www.reddit.com/r/town/comments/s1/x/c2/", "2024-06-04 16:02:00 UTC", "192.0.2.7", "town", 0,
     "https://www.reddit.com/r/town/comments/s1/x/", "c1", "No, *mend* it.", ""),
)  # fmt: skip


def _around(frame: tuple[str, str], *items: object) -> str:
    return (
        frame[0] + ",".join(item if isinstance(item, str) else json.dumps(item) for item in items) + frame[1]
    )


_TABLE = [
    {
        "id": "2",
        "text": "No, mend it.",
        "parent": {"id": "1"},
        "article": {"title": "Bridge to close"},
        "likes": 2,
    },
    {
        "id": "1",
        "text": "Close it.",
        "parent": {"id": None},
        "article": {"title": "Bridge to close"},
        "likes": 0,
    },
    {
        "id": "3",
        "text": "[deleted]",
        "parent": {"id": "1"},
        "article": {"title": "Bridge to close"},
        "likes": 0,
    },
]
_TABLE_CSV = _csv(
    ("id", "text", "parent.id"), ("2", "No, mend it.", "1"), ("1", "Close it.", ""), ("3", "[removed]", "1")
)


def _parquet(folder: Path) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(_TABLE), folder / "comments.parquet")
    return folder / "comments.parquet"


def _arrow(folder: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(_TABLE)
    with (
        pyarrow.OSFile(str(folder / "comments.arrow"), "wb") as file,
        pyarrow.ipc.new_file(file, table.schema) as out,
    ):
        out.write_table(table)
    return folder / "comments.arrow"


def _page(folder: Path) -> Path:
    example = Path(__file__).parents[3] / "docs" / "examples" / "article-page.txt"
    return Path(shutil.copy(example, folder))


_FILES: dict[str, tuple[str, str]] = {
    "yt-dlp": (
        "Bridge [vid].info.json",
        _around(YT_DLP, yt_dlp_comment("1.r", "No.", "1"), yt_dlp_comment("1", "Close it.")),
    ),
    "reddit-listing": (
        "s1.json",
        _around(
            REDDIT_LISTING,
            reddit_thing("c1", "Close it.", replies=listing(reddit_thing("c2", "No.", "t1_c1"))),
        ),
    ),
    "discourse-topic": (
        "123.json",
        _around(
            DISCOURSE_TOPIC,
            discourse_post(1, "<p>Close it.</p>"),
            discourse_post(2, "<p>No.</p>", 1),
            discourse_post(3, "", post_type=3),
        ),
    ),
    "mastodon": (
        "statuses.json",
        _around(
            ("[", "]"),
            status("2", "<p>No.</p>", "1"),
            status("1", "<p>Close it.</p>"),
            status("3", "x", None, "direct"),
        ),
    ),
    "hacker-news": ("hits.json", _around(('{"hits": [', "]}"), hit("9", "No.", 8), hit("8", "Close it."))),
    "telegram": (
        "result.json",
        _around(
            TELEGRAM,
            message(1, ["Close ", {"type": "bold", "text": "it"}, "."]),
            message(2, "No.", 1),
            {"id": 3, "type": "service"},
        ),
    ),
    "disqus-api": (
        "posts.json",
        _around(DISQUS_API, disqus_post("2", "<p>No.</p>", 1), disqus_post("1", "<p>Close it.</p>")),
    ),
    "github": (
        "discussion.json",
        _around(GITHUB, discussion_comment("c1", "<p>Close it.</p>", discussion_comment("c2", "<p>No.</p>"))),
    ),
    "valine": (
        "waline.json",
        _around(WALINE, waline_comment("c2", "No.", "c1"), waline_comment("c1", "Close it.")),
    ),
    "artalk": (
        "artrans.json",
        _around(("[", "]"), artalk_comment("2", "No.", "1"), artalk_comment("1", "Close it.")),
    ),
    "blogger": (
        "blog.xml",
        BLOGGER[0] + blogger_entry(7, "No.", parent=6) + blogger_entry(6, "Close it.") + BLOGGER[1],
    ),
    "youtube-takeout": ("comments.csv", _TAKEOUT),
    "reddit-own": ("comments.csv", _REDDIT_OWN),
    "jsonl": ("comments.jsonl", _lines(*_TABLE)),
    "csv": ("comments.csv", _TABLE_CSV),
    "disqus": ("export.xml", DISQUS),
    "wordpress": ("site.WordPress.2024-06-04.xml", wordpress()),
    "youtube": ("threads.json", json.dumps(youtube_page(), indent=1)),
    "jigsaw": ("train.csv", _JIGSAW),
    "civil-comments": ("all_data.csv", _CIVIL),
    "ynacc": ("ydata.tsv", _YNACC),
    "discourse": ("user_archive.csv", _DISCOURSE),
    "discourse-posts": ("query.csv", _DISCOURSE_POSTS),
    "coral-user": ("my_comments.csv", _CORAL_USER),
    "isso-json": ("generic.json", _ISSO_JSON),
    "commento": ("commento.json", _COMMENTO),
    "json-ld": ("page.html", _WEB_PAGE),
    "activitystreams": ("outbox.json", _OUTBOX),
}
_BUILT: dict[str, Callable[[Path], Path]] = {
    "stack-exchange": _stack_exchange,
    "coral-talk": _coral_talk,
    "parquet": _parquet,
    "arrow": _arrow,
    "page": _page,
    "coral": _coral,
    "coral-csv": _coral_csv,
    "reddit": _reddit,
    "socc": _socc,
    "discourse-raw": _discourse_zip,
    "isso": _isso,
    "remark42": _remark42,
}
NAMES = tuple({**_FILES, **_BUILT})
"""Every format that has an export here, by its `--format` name."""
COMENTARIO = _COMENTARIO


def write(folder: Path, name: str) -> Path:
    """Write the export of that format into `folder`; returns what to give to `parley score`."""
    if name in _BUILT:
        return _BUILT[name](folder)
    file, text = _FILES[name]
    (folder / file).write_text(text, encoding="utf-8", newline="")
    return folder / file
