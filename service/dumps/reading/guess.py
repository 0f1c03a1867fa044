"""Which of a table's own columns is likely to hold which field, where nobody has said so.

    guess(["Comment", "Title", "likes"], taken={"text"})      # {"article.title": "Title"}

Only names that hardly mean anything else are guessed, and the end of a run tells what was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

LIKELY: dict[str, tuple[str, ...]] = {
    "id": ("commentid", "cid", "uuid"),
    "parent.id": (
        *("parentid", "parentcommentid", "replyto", "replytoid", "inreplyto", "inreplytoid", "parentuuid"),
        "commentparent",
    ),
    "article.id": ("articleid", "storyid", "threadid", "postid", "topicid", "pageid", "videoid"),
    "article.url": ("articleurl", "storyurl", "pageurl", "posturl", "threadurl", "videourl", "articlelink"),
    "article.title": (
        *("articletitle", "storytitle", "pagetitle", "posttitle", "threadtitle", "topictitle", "videotitle"),
        *("title", "headline"),
    ),
    "author.id": ("authorid", "userid", "commenterid", "accountid"),
    "author.name": (
        *(
            "authorname",
            "username",
            "displayname",
            "nickname",
            "commentername",
            "commenter",
            "author",
            "user",
        ),
    ),
    "created_at": (
        *("createdat", "created", "createdtime", "createtime", "createdutc", "creationdate", "datecreated"),
        *(
            "commentdate",
            "commenttime",
            "publishedat",
            "postedat",
            "postedon",
            "timestamp",
            "datetime",
            "date",
        ),
        "time",
    ),
    "language": ("lang", "languagecode"),
}
"""By field, names without their capitals, spaces and marks; the first that a table has counts."""
_MARKS = re.compile(r"[\W_]+")


def guess(columns: Iterable[str], *, taken: Collection[str]) -> dict[str, str]:
    """The column for each field that is not `taken` and that one of `columns` is likely to hold."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_MARKS.sub("", column).lower(), column)
    found: dict[str, str] = {}
    for field, names in LIKELY.items():
        likely = next((by_name[name] for name in names if name in by_name), None)
        if field not in taken and likely is not None:
            found[field] = likely
    return found
