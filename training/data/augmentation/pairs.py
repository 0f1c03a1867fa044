"""Augmented pairs: a comment under an article, or towards a target, that is not its own.

train += swapped(train, seed=13, headlines=headlines(data_dir, "train"))
train += cut_short(train, seed=13, share=0.5, headlines=headlines(data_dir, "train"))
train += unrelated_targets(train, seed=13, share=0.2)
train += unlabelled(train, seed=13, pairs=20_000, articles=5_000)      for a teacher

Swapped pairs are easier than what readers really write off topic: report them separately from human
labels.
"""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from parley.training.data.examples import Example
from parley.training.data.files import table, unmark
from parley.training.data.registry import Split, part

OFF_TOPIC = {"other debate": 1.0, "headline": 1.0, "near debate": 0.8}
"""Off-topic target of each kind of pair: a near debate's article may share the comment's subject."""

_NEAREST = 3
_NEAR = 10
_WORD = re.compile(r"[a-z]{4,}")
_TELLING = re.compile(r"[A-Za-z]{6,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def swapped(
    examples: Iterable[Example], *, seed: int, share: float = 1.0, headlines: Sequence[str] = ()
) -> list[Example]:
    """Off-topic pairs from true ones: `share` of them (1.0: as many as there are comment–article pairs).

    The kinds alternate: another debate's article, one of the three most similar, and a headline if
    `headlines` are given. `slice` names the kind. Only comment and article are kept: no label, no stance.
    """
    rng = random.Random(seed)
    pairs = _true_pairs(examples)
    articles = list(dict.fromkeys(e.article for e in pairs if e.article))
    if len(articles) < 2:
        return []
    nearest = _nearest(articles)
    kinds = [kind for kind in OFF_TOPIC if headlines or kind != "headline"]
    made = []
    for number, example in enumerate(pairs):
        for turn in range(_times(share, rng)):
            kind = kinds[(number + turn) % len(kinds)]
            if kind == "headline":
                article = rng.choice(headlines)
            elif kind == "near debate":
                article = rng.choice(nearest[example.article or ""])
            else:
                article = rng.choice([a for a in rng.sample(articles, 2) if a != example.article])
            made.append(_pair(example, article=article, off_topic=OFF_TOPIC[kind], slice=kind))
    return made


def cut_short(
    examples: Iterable[Example], *, seed: int, share: float, headlines: Sequence[str] = ()
) -> list[Example]:
    """Short comments, cut from `share` of the true pairs, under their own article and under others.

    Readers write one line, but the debates' comments have a hundred words, so brevity alone would look
    off-topic. Every second cut that still mentions the subject also comes under another article; a bare "I
    agree" only under its own.
    """
    rng = random.Random(f"{seed}:short")
    made = []
    for example in _true_pairs(examples):
        for _ in range(_times(share, rng)):
            text = cut(example.text, rng)
            if text != example.text:
                pair = _pair(example, article=example.article or "", off_topic=0.0, slice="short")
                labels = {"spam": 0.0} if example.labels.get("spam") == 0.0 else {}  # nor is a part
                made.append(replace(pair, text=text, made_from=example.text, labels=labels))
    telling = [e for e in made if len(_TELLING.findall(e.text)) >= 3]
    return made + swapped(telling, seed=seed, share=0.5, headlines=headlines)


def cut(text: str, rng: random.Random) -> str:
    """The first or last sentence of a comment, or 5 to 25 words from the start of one."""
    sentences = _SENTENCE_END.split(text.strip())
    sentence = {"first": sentences[0], "last": sentences[-1]}.get(rng.choice(("first", "last", "words")), "")
    if len(sentences) > 1 and len(sentence.split()) > 1:
        return sentence
    start = rng.randrange(len(sentences))
    return " ".join(" ".join(sentences[start:]).split()[: rng.randint(5, 25)])


def _true_pairs(examples: Iterable[Example]) -> list[Example]:
    """Each comment once with each of its own articles."""
    return list({(e.text, e.article): e for e in examples if e.article and e.off_topic == 0.0}.values())


def _times(share: float, rng: random.Random) -> int:
    """How often a row is used for a `share`: 2.5 means two or three times."""
    whole, rest = divmod(share, 1.0)
    return int(whole) + (rng.random() < rest)


def _pair(example: Example, *, article: str, off_topic: float, slice: str) -> Example:
    return replace(
        example,
        article=article,
        off_topic=off_topic,
        slice=slice,
        target=None,
        stance=None,
        labels={},
        spans=None,
    )


def _nearest(articles: Sequence[str]) -> dict[str, list[str]]:
    """For each article the few with the most similar titles and descriptions."""
    near = _most_alike(articles, articles, _NEAREST + 1)
    return {a: [n for n in of if n != a][:_NEAREST] for a, of in zip(articles, near, strict=True)}


def _most_alike(texts: Sequence[str], contexts: Sequence[str], most: int) -> list[list[str]]:
    """For each text the `most` most similar contexts (TF-IDF cosine), nearest first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    columns = vectorizer.fit_transform(contexts).T.tocsr()
    found = []
    for start in range(0, len(texts), 500):
        alike = (vectorizer.transform(texts[start : start + 500]) @ columns).toarray()
        order = (-alike).argsort(axis=1, kind="stable")[:, :most]
        found += [[contexts[i] for i in row] for row in order]
    return found


def unrelated_targets(examples: Iterable[Example], *, seed: int, share: float = 0.2) -> list[Example]:
    """Stance `none`: `share` of the comments with another group's target that shares no word with them."""
    rng = random.Random(seed)
    pool = [e for e in examples if e.target and e.stance]
    made = []
    for example in pool:
        if rng.random() >= share:
            continue
        other = rng.choice(pool)
        words = set(_WORD.findall(example.text.lower()))
        if other.group == example.group or other.target == example.target:
            continue
        if not words & set(_WORD.findall((other.target or "").lower())):
            pair = replace(example, target=other.target, stance="none", article=None, off_topic=None)
            made.append(replace(pair, labels={}, spans=None, slice="made none"))
    return made


def unlabelled(examples: Iterable[Example], *, seed: int, pairs: int, articles: int) -> list[Example]:
    """Unlabelled pairs of weight 0: at most `pairs` with a target and `articles` with an article.

    Any comment with any target or article; every second one is from a discussion, with one of the few most
    similar: random pairs are mostly unrelated, and would teach only that.
    """
    examples = list(examples)
    rng = random.Random(f"{seed}:unlabelled")
    judged = {(e.text, context) for e in examples for context in (e.target, e.article)}
    targets = list(dict.fromkeys(e.target for e in examples if e.target and e.stance))
    titles = list(dict.fromkeys(e.article for e in examples if e.article))
    # Stance and off_topic are placeholders here, which weight 0 removes from the loss.
    made = [
        replace(e, target=target, stance="none", article=None, off_topic=None)
        for e, target in _beside(examples, targets, pairs, rng)
    ]
    made += [
        replace(e, article=article, off_topic=1.0, target=None, stance=None)
        for e, article in _beside(examples, titles, articles, rng)
    ]
    new = {(e.text, e.target, e.article): e for e in made if (e.text, e.target or e.article) not in judged}
    return [replace(e, labels={}, spans=None, weight=0.0, slice="unlabelled") for e in new.values()]


def _beside(
    examples: Sequence[Example], contexts: Sequence[str], count: int, rng: random.Random
) -> list[tuple[Example, str]]:
    if not (examples and contexts):
        return []
    talks = [e for e in examples if e.target or e.article]
    drawn = [rng.choice(talks) for _ in range(count // 2)]
    near = _most_alike([e.text for e in drawn], contexts, _NEAR)
    others = [(rng.choice(examples), rng.choice(contexts)) for _ in range(count - len(drawn))]
    return [(e, rng.choice(of)) for e, of in zip(drawn, near, strict=True)] + others


def headlines(data_dir: Path, split: Split) -> list[str]:
    """Article contexts of other papers (title, or title and lede), each in one split; [] if not on disk."""
    folder = data_dir / "offtopic" / "contexts"
    if not folder.is_dir():
        return []
    found = [f"{row['title']}\n{row['description']}" for row in table(folder / "ag-news" / "test.csv")]
    nyt = table(folder / "nyt-2017-headlines" / "processed_data.csv")
    found += [f"{row['headline']}\n{row['snippet']}" for row in nyt]
    with zipfile.ZipFile(folder / "reddit-worldnews-headlines" / "RedditNews.csv.zip") as archive:
        news = archive.read("RedditNews.csv").decode("utf-8", "replace")
    found += [row["News"].removeprefix('b"').removeprefix("b'") for row in csv.DictReader(io.StringIO(news))]
    clean = dict.fromkeys(unmark(re.sub(r" (#\d+;)", r"&\1", text).replace("\\", " ")) for text in found)
    return [text for text in clean if part(text, dev=0.1, test=0.1) == split]
