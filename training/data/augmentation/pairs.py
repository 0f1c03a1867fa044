"""Augmented pairs: comments with an article or a target other than their own.

train += swapped(train, seed=13, headlines=headlines(data_dir, "train"))
train += cut_short(train, seed=13, share=0.5, headlines=headlines(data_dir, "train"))
train += unrelated_targets(train, seed=13, share=0.2)
train += unlabelled(train, seed=13, pairs=20_000, articles=5_000)      for a teacher

Swapped pairs are easier than real off-topic comments: report them separately from human labels.
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
"""The off_topic label of each kind of pair: a near debate's article may share the comment's subject."""

_NEAREST = 3
_NEAR = 10
_WORD = re.compile(r"[a-z]{4,}")
_TELLING = re.compile(r"[A-Za-z]{6,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def swapped(
    examples: Iterable[Example], *, seed: int, share: float = 1.0, headlines: Sequence[str] = ()
) -> list[Example]:
    """Off-topic pairs from true ones, `share` as many (1.0: one for each comment–article pair).

    The kinds alternate: another debate's article, one of the three most similar articles, and one of
    `headlines` if given. `slice` names the kind. Labels and stance are not kept.
    """
    rng = random.Random(seed)
    pairs = _true_pairs(examples)
    articles = list(dict.fromkeys(e.article for e in pairs if e.article))
    if len(articles) < 2:
        return []
    nearest = _nearest(articles)
    kinds = [kind for kind in OFF_TOPIC if headlines or kind != "headline"]
    swaps = []
    for number, example in enumerate(pairs):
        for turn in range(_times(share, rng)):
            kind = kinds[(number + turn) % len(kinds)]
            if kind == "headline":
                article = rng.choice(headlines)
            elif kind == "near debate":
                article = rng.choice(nearest[example.article or ""])
            else:
                article = rng.choice([a for a in rng.sample(articles, 2) if a != example.article])
            swaps.append(_pair(example, article=article, off_topic=OFF_TOPIC[kind], slice=kind))
    return swaps


def cut_short(
    examples: Iterable[Example], *, seed: int, share: float, headlines: Sequence[str] = ()
) -> list[Example]:
    """Short comments, cut from `share` of the true pairs, under their own article and under others.

    Readers often write one line, but the debates' comments have a hundred words, so brevity alone would look
    off-topic. Half of the cuts that still mention the subject also come under another article; a bare
    "I agree" comes only under its own.
    """
    rng = random.Random(f"{seed}:short")
    cuts = []
    for example in _true_pairs(examples):
        for _ in range(_times(share, rng)):
            text = cut(example.text, rng)
            if text != example.text:
                pair = _pair(example, article=example.article or "", off_topic=0.0, slice="short")
                # A part of a comment that isn't spam isn't spam either.
                labels = {"spam": 0.0} if example.labels.get("spam") == 0.0 else {}
                cuts.append(replace(pair, text=text, made_from=example.text, labels=labels))
    telling = [e for e in cuts if len(_TELLING.findall(e.text)) >= 3]
    return cuts + swapped(telling, seed=seed, share=0.5, headlines=headlines)


def cut(text: str, rng: random.Random) -> str:
    """The first or last sentence of a comment, or 5 to 25 words from the start of any sentence."""
    sentences = _SENTENCE_END.split(text.strip())
    sentence = {"first": sentences[0], "last": sentences[-1]}.get(rng.choice(("first", "last", "words")), "")
    if len(sentences) > 1 and len(sentence.split()) > 1:
        return sentence
    start = rng.randrange(len(sentences))
    return " ".join(" ".join(sentences[start:]).split()[: rng.randint(5, 25)])


def _true_pairs(examples: Iterable[Example]) -> list[Example]:
    """The true pairs of comment and article, each once."""
    return list({(e.text, e.article): e for e in examples if e.article and e.off_topic == 0.0}.values())


def _times(share: float, rng: random.Random) -> int:
    """How often to use a row for a given `share`: with 2.5, two or three times."""
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
    """For each article the three with the most similar titles and descriptions."""
    near = _most_alike(articles, articles, _NEAREST + 1)
    return {a: [n for n in of if n != a][:_NEAREST] for a, of in zip(articles, near, strict=True)}


def _most_alike(texts: Sequence[str], contexts: Sequence[str], most: int) -> list[list[str]]:
    """For each text the `most` most similar contexts (TF-IDF cosine), nearest first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    columns = vectorizer.fit_transform(contexts).T.tocsr()
    nearest = []
    for start in range(0, len(texts), 500):
        alike = (vectorizer.transform(texts[start : start + 500]) @ columns).toarray()
        order = (-alike).argsort(axis=1, kind="stable")[:, :most]
        nearest += [[contexts[i] for i in row] for row in order]
    return nearest


def unrelated_targets(examples: Iterable[Example], *, seed: int, share: float = 0.2) -> list[Example]:
    """Pairs of stance `none`: `share` of the comments with another group's target, with no word in common."""
    rng = random.Random(seed)
    pool = [e for e in examples if e.target and e.stance]
    pairs = []
    for example in pool:
        if rng.random() >= share:
            continue
        other = rng.choice(pool)
        words = set(_WORD.findall(example.text.lower()))
        if other.group == example.group or other.target == example.target:
            continue
        if not words & set(_WORD.findall((other.target or "").lower())):
            pair = replace(example, target=other.target, stance="none", article=None, off_topic=None)
            pairs.append(replace(pair, labels={}, spans=None, slice="made none"))
    return pairs


def unlabelled(examples: Iterable[Example], *, seed: int, pairs: int, articles: int) -> list[Example]:
    """Unlabelled pairs of weight 0: at most `pairs` with a target and `articles` with an article.

    Half of them are random. The others take a comment from a discussion and one of the ten most similar
    targets or articles: random pairs are mostly unrelated and would teach only that.
    """
    examples = list(examples)
    rng = random.Random(f"{seed}:unlabelled")
    judged = {(e.text, context) for e in examples for context in (e.target, e.article)}
    targets = list(dict.fromkeys(e.target for e in examples if e.target and e.stance))
    titles = list(dict.fromkeys(e.article for e in examples if e.article))
    # Stance and off_topic are placeholders, which weight 0 removes from the loss.
    drawn = [
        replace(e, target=target, stance="none", article=None, off_topic=None)
        for e, target in _draw(examples, targets, pairs, rng)
    ]
    drawn += [
        replace(e, article=article, off_topic=1.0, target=None, stance=None)
        for e, article in _draw(examples, titles, articles, rng)
    ]
    new = {(e.text, e.target, e.article): e for e in drawn if (e.text, e.target or e.article) not in judged}
    return [replace(e, labels={}, spans=None, weight=0.0, slice="unlabelled") for e in new.values()]


def _draw(
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
    """Article contexts from other papers (title, or title and lede) in `split`; [] if they aren't on disk."""
    folder = data_dir / "offtopic" / "contexts"
    if not folder.is_dir():
        return []
    texts = [f"{row['title']}\n{row['description']}" for row in table(folder / "ag-news" / "test.csv")]
    nyt = table(folder / "nyt-2017-headlines" / "processed_data.csv")
    texts += [f"{row['headline']}\n{row['snippet']}" for row in nyt]
    with zipfile.ZipFile(folder / "reddit-worldnews-headlines" / "RedditNews.csv.zip") as archive:
        news = archive.read("RedditNews.csv").decode("utf-8", "replace")
    texts += [row["News"].removeprefix('b"').removeprefix("b'") for row in csv.DictReader(io.StringIO(news))]
    clean = dict.fromkeys(unmark(re.sub(r" (#\d+;)", r"&\1", text).replace("\\", " ")) for text in texts)
    return [text for text in clean if part(text, dev=0.1, test=0.1) == split]
