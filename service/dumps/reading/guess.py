"""Guesses which of a table's columns holds which field.

    guess(["Comment", "Title", "likes"], taken={"text"})      # {"article.title": "Title"}

Only unambiguous names are guessed, and the run's summary reports the guesses.
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
"""Names by field, in lower case without spaces and marks; the first that a table has counts."""
_MARKS = re.compile(r"[\W_]+")


def guess(columns: Iterable[str], *, taken: Collection[str]) -> dict[str, str]:
    """The likely column of each field that is not `taken`."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_MARKS.sub("", column).lower(), column)
    guessed: dict[str, str] = {}
    for field, names in LIKELY.items():
        likely = next((by_name[name] for name in names if name in by_name), None)
        if field not in taken and likely is not None:
            guessed[field] = likely
    return guessed
