"""How many rows are read from a damaged dump, and how many precede the damage.

    python -m tests.service.dumps.faults        # prints the table; test_faults.py checks every cell of it

A dump of each format is written comment by comment, so that we know which comments a fault leaves whole. The first is a
reply whose parent is missing, so the reader holds back all the others until the dump breaks off.
"""

# ruff: noqa: E501 - one format per line

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from parley.service.dumps.formats.registry import open_reader
from parley.service.dumps.reading.record import RawRow, Record
from parley.service.dumps.reading.source import Source
from parley.service.errors import DumpError
from tests.service.dumps import exports

COUNT, AT = 60, 40
"""Comments of a dump, and the number of the damaged one."""
BRIDGE = "https://news.example/bridge"
FAULTS = ("cut in the middle", "one bad byte", "a bad reference", "cut archive")


@dataclass(frozen=True, slots=True)
class Long:
    """A dump in parts: what is before, between and after its comments. `reference` is an invalid character
    reference, and what it costs: nothing, its row, or everything after it."""

    name: str
    before: str
    comment: Callable[[int], str]
    after: str = ""
    between: str = ""
    reference: str = "&#8;"
    loses: str = "nothing"

    def parts(self) -> list[bytes]:
        """The comments as they are in the file."""
        return [(self.comment(i) + (self.between if i < COUNT - 1 else "")).encode() for i in range(COUNT)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result: good rows, how many there should be, and the messages."""

    rows: int
    expected: int
    said: str


def text(i: int) -> str:
    """Words that compress so badly that a truncated archive ends among them."""
    return f"Opinion {i} on the bridge, {i * 7919 % 1009} and {i * 104729 % 7907}."


def parent(i: int) -> str | None:
    return "gone" if i == 0 else None


def _lines(item: Callable[[int], object], **more: str) -> Long:
    return Long(
        before="", comment=lambda i: json.dumps(item(i)) + "\n", reference="\\q", loses="its row", **more
    )


def _document(before: str, item: Callable[[int], object], after: str, *, name: str) -> Long:
    return Long(
        name=name, before=before, comment=lambda i: json.dumps(item(i)), after=after, between=",\n",
        reference="\\q", loses="the rest",
    )  # fmt: skip


def _csv(header: tuple[str, ...] | None, row: Callable[[int], tuple[object, ...]], *, name: str) -> Long:
    def line(*cells: object) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter="\t" if name.endswith(".tsv") else ",").writerow(cells)
        return out.getvalue()

    return Long(name=name, before=line(*header) if header else "", comment=lambda i: line(*row(i)))


def _disqus(i: int) -> str:
    answers = '<parent dsq:id="9999"/>' if i == 0 else ""
    return (
        f'<post dsq:id="{i}"><message><![CDATA[<p>{text(i)}</p>]]></message><createdAt>2024-06-04T18:05:00Z</createdAt>'
        f"<isDeleted>false</isDeleted><isSpam>false</isSpam><author><name>Ben {i}</name></author>{answers}</post>\n"
    )


def _wordpress(i: int) -> str:
    comment = exports._wp_comment(i + 1, text(i), parent=9999 if i == 0 else 0)
    return comment.replace("[CDATA[Author", "[CDATA[").replace("<![CDATA[ ", "Ben ").replace(
        f"{i + 1}]]></wp:comment_author>", f"{i + 1}</wp:comment_author>"
    )  # fmt: skip


_WP_BEFORE, _WP_AFTER = exports._WORDPRESS.format(v="1.2", comments="\0").split("\0")
_LD = '<!DOCTYPE html><html><head><script type="application/ld+json">{"@type": "NewsArticle", "comment": ['
_DISCOURSE = ("topic_title", "is_pm", "post", "url", "created_at")

LONG: Mapping[str, Long] = {
    "jsonl": _lines(lambda i: {"id": f"r{i}", "text": text(i), "parent": {"id": parent(i)}}, name="a.jsonl"),
    "csv": _csv(("id", "text", "parent.id", "likes"), lambda i: (i, text(i), parent(i), 1), name="a.csv"),
    "disqus": Long(
        "a.xml", '<?xml version="1.0"?>\n<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/x">\n',
        _disqus, "</disqus>",
    ),
    "wordpress": Long("w.xml", _WP_BEFORE, _wordpress, _WP_AFTER),
    "coral": _lines(
        lambda i: exports.coral_comment(f"c{i}", f"<p>{text(i)}</p>", parentID=parent(i)), name="comments.json"
    ),
    "coral-csv": _csv(
        None, lambda i: (f"c{i}", "u", "s", "2024-06-04T16:02:00Z", text(i), parent(i), "APPROVED", ""),
        name="comments.csv",
    ),
    "coral-user": _csv(
        ("Comment ID", "Article URL", "Comment Text", "Media"), lambda i: (i, BRIDGE, text(i), ""), name="u.csv"
    ),
    "reddit": _lines(
        lambda i: exports._reddit_comment(f"c{i}", text(i), "t1_gone" if i == 0 else "t3_s1"), name="RC_2024-06"
    ),
    "youtube": _document(
        '{"kind": "youtube#commentThreadListResponse", "items": [',
        lambda i: {"kind": "youtube#comment", "id": str(i),
                   "snippet": {"textOriginal": text(i), "parentId": parent(i), "likeCount": 1}},
        "]}", name="y.json",
    ),
    "isso-json": _document(
        '[{"id": "/bridge/", "title": "Bridge", "comments": []},\n',
        lambda i: {"id": f"/{i}/", "title": "Bridge", "comments": [{"id": 1, "text": text(i), "author": "Anna"}]},
        "]", name="i.json",
    ),
    "remark42": Long(
        "r.json", '{"version":1,"users":[],"posts":[]}\n',
        lambda i: json.dumps({"id": f"k{i}", "pid": parent(i) or "", "text": f"<p>{text(i)}</p>",
                              "locator": {"site": "news", "url": BRIDGE}, "score": 1}) + "\n",
        reference="\\q", loses="its row",
    ),
    "commento": _document(
        '{"version": 1, "comments": [',
        lambda i: exports._commento_comment(f"h{i}", text(i), "gone" if i == 0 else "root"),
        '], "commenters": [{"commenterHex": "aa", "name": "Anna"}]}', name="c.json",
    ),
    "activitystreams": _document(
        '{"type": "OrderedCollection", "orderedItems": [',
        lambda i: exports._note(str(i), f"<p>{text(i)}</p>", inReplyTo="https://s.example/gone" if i == 0 else None),
        "]}", name="outbox.json",
    ),
    "json-ld": _document(
        _LD, lambda i: {"@type": "Comment", "@id": f"#c{i}", "text": text(i), "parentItem": parent(i)},
        "]}</script></head></html>", name="page.html",
    ),
    "yt-dlp": _document(
        exports.YT_DLP[0], lambda i: exports.yt_dlp_comment(str(i), text(i), "gone" if i == 0 else "root"),
        exports.YT_DLP[1], name="v.info.json",
    ),
    "reddit-listing": _document(
        exports.REDDIT_LISTING[0], lambda i: exports.reddit_thing(f"c{i}", text(i), "t1_gone" if i == 0 else "t3_s1"),
        exports.REDDIT_LISTING[1], name="s.json",
    ),
    "discourse-topic": _document(
        exports.DISCOURSE_TOPIC[0], lambda i: exports.discourse_post(i, text(i), 9999 if i == 0 else None),
        exports.DISCOURSE_TOPIC[1], name="t.json",
    ),
    "mastodon": _document("[", lambda i: exports.status(str(i), text(i), parent(i)), "]", name="s.json"),
    "hacker-news": _document(
        '{"hits": [', lambda i: exports.hit(str(i), text(i), 9999 if i == 0 else 7), "]}", name="h.json"
    ),
    "telegram": _document(
        exports.TELEGRAM[0], lambda i: exports.message(i, text(i), 9999 if i == 0 else None), "]}", name="result.json"
    ),
    "disqus-api": _document(
        exports.DISQUS_API[0], lambda i: exports.disqus_post(str(i), text(i), 9999 if i == 0 else None), "]}", name="d.json"
    ),
    "github": _document(
        exports.GITHUB[0], lambda i: exports.discussion_comment(f"c{i}", text(i)), exports.GITHUB[1], name="g.json"
    ),
    "valine": _document(
        exports.WALINE[0], lambda i: exports.waline_comment(f"c{i}", text(i), parent(i)), exports.WALINE[1], name="w.json"
    ),
    "artalk": _document(
        "[", lambda i: exports.artalk_comment(str(i + 1), text(i), "9999" if i == 0 else "0"), "]", name="a.json"
    ),
    "coral-talk": _lines(lambda i: exports.talk_comment(f"c{i}", text(i), parent(i)), name="comments.json"),
    "blogger": Long(
        "b.xml", exports.BLOGGER[0],
        lambda i: exports.blogger_entry(i + 10, text(i), parent=9999 if i == 0 else None), exports.BLOGGER[1],
    ),
    "stack-exchange": Long("Comments.xml", "<comments>\n", lambda i: exports.stack_row(i + 1, text(i)), "</comments>"),
    "youtube-takeout": _csv(
        ("Comment ID", "Channel ID", "Video ID", "Parent Comment ID", "Comment Text", "Price"),
        lambda i: (f"U{i}", "UC1", "vid", parent(i), json.dumps({"text": text(i)}), 0), name="comments.csv",
    ),
    "reddit-own": _csv(
        ("id", "permalink", "subreddit", "link", "parent", "body", "media"),
        lambda i: (f"c{i}", "p", "town", "https://r.example/comments/s1/", parent(i), text(i), ""), name="comments.csv",
    ),
    "discourse": _csv(
        _DISCOURSE, lambda i: ("Bridge", "No", text(i), exports._DISCOURSE_URL.format(i), "2024-06-04"), name="d.csv"
    ),
    "discourse-raw": _csv(
        ("topic_title", "is_pm", "post_raw", "url"),
        lambda i: ("Bridge", "No", text(i), exports._DISCOURSE_URL.format(i)), name="d.csv",
    ),
    "discourse-posts": _csv(
        ("id", "topic_id", "post_number", "raw", "reply_to_post_number"),
        lambda i: (i, 7, i, text(i), 9999 if i == 0 else ""), name="p.csv",
    ),
    "civil-comments": _csv(
        ("id", "comment_text", "publication_id", "parent_id", "article_id"),
        lambda i: (i, text(i), 2, "9999.0" if i == 0 else "", 5), name="all.csv",
    ),
    "jigsaw": _csv(
        ("id", "comment_text", "toxic", "severe_toxic", "identity_hate"), lambda i: (i, text(i), 0, 0, 0), name="t.csv"
    ),
    "socc": _csv(
        ("article_id", "comment_counter", "comment_text", "comment_id", "parentID"),
        lambda i: (7, f"s_{i}", text(i), i, 9999 if i == 0 else 0), name="gnm_comments.csv",
    ),
    "ynacc": _csv(
        ("commentid", "commentindex", "headline", "text", "parentid"),
        lambda i: (f"k{i}", i, "Bridge", text(i), parent(i)), name="y.tsv",
    ),
    "page": Long(
        "p.txt", "News\nBridge over the Lum to close\nThe council voted for it on Monday, nine to two.\n",
        lambda i: f"by: Anna from: Lum\nMarch 31, 2014 12:51 PM\n{text(i)}\n\n",
    ),
}  # fmt: skip
"""Formats whose dumps are written comment by comment. Nothing can be read from a Parquet file without its end; an
Isso database and Arrow files are in test_faults.py."""


def damaged(long: Long, fault: str) -> tuple[str, bytes, int]:
    """The damaged file: its name, its bytes, and how many of its comments are intact."""
    parts = long.parts()
    before, after = long.before.encode(), long.after.encode()
    if fault == "cut in the middle":
        half = parts[AT][: parts[AT].index(b"Opinion") + 3]
        # A page doesn't mark where a comment ends, so the words that are there count.
        return long.name, before + b"".join(parts[:AT]) + half, AT + (long.name == "p.txt")
    if fault == "one bad byte":
        parts[AT] = parts[AT].replace(b"bridge", b"br\xffdge", 1)
        return long.name, before + b"".join(parts) + after, COUNT
    if fault == "a bad reference":
        word = b"Ben" if b"Ben" in parts[AT] else b"bridge"
        parts[AT] = parts[AT].replace(word, word + long.reference.encode(), 1)
        whole = {"nothing": COUNT, "its row": COUNT - 1, "the rest": AT}[long.loses]
        return long.name, before + b"".join(parts) + after, whole
    packed = gzip.compress(before + b"".join(parts) + after)
    packed = packed[: len(packed) * 7 // 10]
    left = len(zlib.decompressobj(31).decompress(packed)) - len(before)
    ends = [sum(map(len, parts[: i + 1])) - len(long.between) for i in range(COUNT)]
    return f"{long.name}.gz", packed, sum(end - (long.name == "p.txt") <= left for end in ends)


def try_out(name: str, fault: str, folder: Path) -> Outcome:
    """Read the damaged dump to its end."""
    file, data, expected = damaged(LONG[name], fault)
    path = folder / file
    path.write_bytes(data)
    return read(path, name, expected)


def read(path: Path, name: str, expected: int) -> Outcome:
    """The rows of the dump at `path`, and what was said of it."""
    rows: list[Record | RawRow] = []
    said: list[str] = []
    with closing(Source(path)) as source:
        try:
            rows.extend(open_reader(source, name=name))
        except DumpError as error:
            said.append(str(error).removeprefix(f"{path} "))
        said += [f"{row.problem} (line {row.line})" for row in rows if isinstance(row, RawRow)]
    return Outcome(sum(isinstance(row, Record) for row in rows), expected, "; ".join(said))


def main() -> int:
    """Print the table; returns 1 if a cell is wrong."""
    wrong = 0
    print("| format | " + " | ".join(FAULTS) + " |\n|---|" + "---|" * len(FAULTS))
    for name in LONG:
        cells = []
        for fault in FAULTS:
            with TemporaryDirectory() as folder:
                outcome = try_out(name, fault, Path(folder))
            wrong += outcome.rows != outcome.expected
            cells.append(
                f"{outcome.rows} of {outcome.expected}" + (f": {outcome.said[:60]}" if outcome.said else "")
            )
        print(f"| {name} | " + " | ".join(cells) + " |")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
