"""Stories: what their lines mean, how they are split, and those in the repository."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from parley.training.data.registry import HERE
from parley.training.data.sources import SPLITS, read
from parley.training.data.sources.stories import read_stories
from parley.training.errors import SourceError
from tests.training.mini_corpora import write_corpora

NAMES = ("stories", "story_comments", "story_replies", "contrasts")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("data"))


def test_a_comment_is_one_row_per_target(data_dir: Path) -> None:
    rows = [e for e in read("stories", data_dir, "train") if e.text == "High time for library 1."]
    assert [(e.target, e.stance) for e in rows] == [
        ("the new library", "favor"),
        ("doing without a library", "against"),
        ("the mayor", "none"),
        ("The library was needed.", "favor"),
    ]
    title, lede = (rows[0].article or "").split("\n")
    assert title == "The library opens for the 1th time"
    assert lede.startswith("People of the town saw the library open")
    assert {e.slice for e in rows} == {"plain"}
    off = {e.text: e.off_topic for e in read("stories", data_dir, "train")}
    assert off["The buses to library 1 are a disgrace."] == 0.0, "a tangent"
    assert off["Cheap tiles, offer 1 for bridge owners."] == 1.0


def test_dev_is_the_last_pair_of_each_file_also_under_other_titles(data_dir: Path) -> None:
    train, dev, test = (list(read("stories", data_dir, split)) for split in SPLITS)
    assert {e.group for e in train} == {"01-01", "10-01"}
    assert {e.group for e in dev} == {"01-02", "10-02"}
    assert not test
    made = {e.slice: e for e in dev if e.text == "High time for bridge 3." and e.target is None}
    titles = {name: (e.article or "").split("\n")[0] for name, e in made.items()}
    assert titles == {
        "own": "The bridge opens for the 3th time",
        "twin": "The bridge opens for the 4th time",
        "other": "The library opens for the 3th time",
    }
    assert {name: e.off_topic for name, e in made.items()} == {"own": 0.0, "twin": 1.0, "other": 1.0}
    assert not [e for e in train if e.slice in made]


def test_abuse_of_stories(data_dir: Path) -> None:
    found = {e.slice: e.labels for e in read("story_comments", data_dir, "train")}
    assert (found["rude"]["toxicity"], found["rude"]["insult"], found["rude"]["threat"]) == (1.0, 1.0, 0.0)
    assert (found["threat"]["toxicity"], found["threat"]["threat"]) == (1.0, 1.0)
    assert "insult" not in found["threat"]
    assert (found["harsh"]["toxicity"], found["ok"]["toxicity"]) == (0.0, 0.0)
    assert found["spam"]["spam"] == 1.0
    assert "toxicity" not in found["spam"]


def test_replies_know_their_parent(data_dir: Path) -> None:
    reply = next(iter(read("story_replies", data_dir, "dev")))
    assert (reply.parent, reply.reply) == ("High time for bridge 3.", "disagree")


def test_contrasts_are_split_by_pair(data_dir: Path) -> None:
    train, dev = (list(read("contrasts", data_dir, split)) for split in ("train", "dev"))
    assert {e.group for e in dev} == {"p006", "p012"}
    assert {e.group for e in train}.isdisjoint(e.group for e in dev)


def test_the_repository_has_them(tmp_path: Path) -> None:
    """As in a clone, without any data folder."""
    nowhere = tmp_path / "nowhere"
    rows = {name: [e for s in SPLITS for e in read(name, nowhere, s)] for name in NAMES}
    own = [e for e in rows["stories"] if e.target]
    assert len(rows["story_comments"]) == 9125
    assert len(own) == 4 * 9125
    assert len(rows["story_replies"]) == 1630
    stories = read_stories(HERE / "stories", "train") + read_stories(HERE / "stories", "dev")
    assert Counter(s.plain for s in stories) == {False: 198, True: 162}
    assert set(Counter(s.pair for s in stories).values()) == {2}
    texts = {split: {e.text for e in read("story_comments", nowhere, split)} for split in SPLITS}
    assert not {t for t in texts["train"] & texts["dev"] if len(t.split()) > 4}


def test_more_stories_are_only_for_training_and_repeat_no_story(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    names = (
        "more_stories",
        "more_story_comments",
        "more_story_replies",
        "statements",
        "functional",
        "answers",
        "more_contrasts",
    )
    assert not [e for name in names for split in ("dev", "test") for e in read(name, nowhere, split)]
    pairs, comments, replies, said, explicit, answered, contrasts = (
        list(read(name, nowhere, "train")) for name in names
    )
    assert len(pairs) == 4 * len(comments)
    assert len(replies) > 1000
    assert set(Counter(s.pair for s in read_stories(HERE / "more_stories", "train")).values()) == {2}
    measured_on = ("story_comments", "contrasts", "stance_cases", "abuse_cases", "hidden_insults")
    known = {e.text for name in measured_on for split in SPLITS for e in read(name, nowhere, split)}
    known = {text for text in known if len(text.split()) > 4}
    assert not known & {e.text for e in (*comments, *said, *explicit, *answered, *contrasts)}
    sides = Counter(e.stance for e in said)
    assert sides["favor"] == pytest.approx(sides["against"], rel=0.05), "each has a row for both targets"
    assert set(Counter(e.reply for e in answered)) == {"agree", "disagree", "none"}
    assert {e.labels["toxicity"] for e in contrasts if e.slice == "identity"} == {0.0, 1.0}
    attacks = [e.labels for e in contrasts if e.labels.get("identity_attack")]
    assert len(attacks) > 100
    assert not [labels for labels in attacks if "insult" in labels], "it may be one or not"


def test_sides_on_opposite_targets_of_more_stories_agree_and_no_comment_is_repeated() -> None:
    apart = set()
    for file in sorted((HERE / "more_stories").glob("[0-9]*.txt")):
        texts: Counter[str] = Counter()
        signs: dict[int, str] = {}
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                signs = {}
            elif target := re.match(r"([1-4])([+-])", line):
                signs[int(target[1])] = target[2]
            elif comment := re.match(r"\[(?:>\d+ \w+ )?([+\-0]{4}) [^\]]+\] (.+)", line):
                sides, text = comment.groups()
                texts[text] += len(text.split()) > 4
                for place, sign in signs.items():
                    both = {sides[0], sides[place - 1]}
                    if "0" not in both and (len(both) == 1) != (sign == signs[1]):
                        apart.add(file.name)
        assert max(texts.values()) == 1, file
    assert apart == {"39.txt", "40.txt"}, "one comment each, on one of two measures"


def test_a_statement_is_a_row_for_its_target_and_one_for_the_opposite(tmp_path: Path) -> None:
    write_more(tmp_path, "=\tTown to close pool\tclosing the pool\tkeeping the pool\n+\tShut it.\n0\tWhen?\n")
    assert [(e.text, e.target, e.stance, e.article) for e in read("statements", tmp_path, "train")] == [
        ("Shut it.", "closing the pool", "favor", "Town to close pool"),
        ("Shut it.", "keeping the pool", "against", "Town to close pool"),
        ("When?", "closing the pool", "none", "Town to close pool"),
        ("When?", "keeping the pool", "none", "Town to close pool"),
    ]


@pytest.mark.parametrize("text", ["+\tNobody asked.\n", "=\tA title\ta target\n+ No tab.\n"])
def test_a_wrong_line_of_statements_is_named(tmp_path: Path, text: str) -> None:
    write_more(tmp_path, text)
    with pytest.raises(SourceError, match=r"statements\.tsv:[12]: a line is a sign"):
        list(read("statements", tmp_path, "train"))


def write_more(data_dir: Path, statements: str) -> None:
    (data_dir / "more_stories").mkdir()
    (data_dir / "more_stories" / "statements.tsv").write_text(statements, encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[+-0 on ok] A side too few.", r"01\.txt:2: invalid line"),
        ("[+-00 near ok] An unknown topic.", r"01\.txt:2: invalid line"),
        ("[>3 agree +-00 on ok] A reply to nothing.", r"01\.txt:2: replies to comment 3"),
        ("T: A title, and nothing else", r"needs a title, a paragraph, four targets"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "01.txt").write_text(f"# a | b | c\n{line}\n", encoding="utf-8")
    with pytest.raises(SourceError, match=says):
        list(read("stories", tmp_path, "train"))
