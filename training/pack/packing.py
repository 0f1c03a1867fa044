"""Packs a configuration's stages into one folder that trains anywhere: rows, weights, plan and job.

    pack(load_config("configs/training/fifth.yaml"), data_dir=Path("../shared/data"), folder=Path("job"))

The folder has only the encoders that its stages train. Weights are in half precision if they fit, otherwise
matrices are in int8 with a scale per row.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PretrainedConfig

from parley.model.labels import COMMENT_LABELS, REPLIES
from parley.model.text.plain import plain_text
from parley.model.text.tokenization import Tokenizer
from parley.training.data.examples import SIDES, Example
from parley.training.data.preparation import Prepared
from parley.training.errors import RunError
from parley.training.fit.batches import pair_context_of, reply_context_of, span_labels
from parley.training.fit.config import TrainConfig
from parley.training.fit.plan import read
from parley.training.fit.stages import Stage, Task
from parley.training.network import precision
from parley.training.network.network import Network, base_tokenizer
from parley.training.pack.results import PLAN, digest, plan_of, trained

log = logging.getLogger(__name__)

MOST_BYTES = 60_000_000
UNKNOWN = -1
_SMALL = 1 << 16
"""Matrices with fewer values than this stay in half precision: int8 would save next to nothing."""
HEADS = {
    "encoder": ("comment_head", "span_head", "off_topic_scale", "off_topic_bias"),
    "pair_encoder": ("stance_hidden", "stance_head", "off_topic_hidden", "off_topic_head", "reply_head"),
}
"""The heads on each encoder."""
_JOB = Path(__file__).with_name("job")
_LAUNCHER = '''"""Runs the training in this folder with torch and numpy alone, on a GPU if torch has one.

    python job.py                    run the whole plan
    python job.py --resume           continue from the last checkpoint
    python job.py --minutes 8        run the whole plan in this time
    python job.py --share 0.01       try it: a hundredth of the rows and the time, results in trial/

    plan.json        stages and tasks, loss weights, shape of the encoders, SHA-256 of the other files
    weights.npz      the network to start from
    rows-TASK.npz    token ids and labels, rows concatenated
    checkpoint.pt    written every few minutes, and when interrupted
    result-N.npz     the trained weights: python -m parley.training.pack CONFIG --unpack THIS_FOLDER
"""

from pathlib import Path

from parley_job.precision import faster_in_bfloat16
from parley_job.run import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent, half=faster_in_bfloat16())
'''
Array = NDArray[Any]


def pack(
    config: TrainConfig,
    *,
    data_dir: Path,
    folder: Path,
    stages: Sequence[str] = (),
    after: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write `folder` for the named `stages` (by default all) and return its plan.

    The job starts from the configuration's base, or from the results in the folders `after`, which had other
    stages of the same configuration. Raises RunError if there is nothing to pack, `folder` is not empty or
    would be too large, or one of `after` has no result or another configuration.
    """
    chosen = choose(config, stages)
    if folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty: give another folder, or delete it")
    for other in after:
        plan_of(config, other)
    torch.manual_seed(config.seed)  # new heads are initialised at random
    network = trained(config, after)
    prepared = read(config, data_dir=data_dir)
    tokenizer_file = base_tokenizer(config.base)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for task in (task for stage in chosen for task in stage.tasks):
        rows = rows_of(task, prepared, seed=config.seed)
        if not rows:
            raise RunError(f"task {task.name!r} has no rows for read: {task.read}; check its sources")
        arrays = to_arrays(task, rows, tokenizer_file, article_tokens=config.tokens.context)
        np.savez_compressed(folder / f"rows-{task.name}.npz", **arrays)  # type: ignore[arg-type]
        counts[task.name] = {"rows": len(rows), "tokens": int(arrays["lengths"].sum())}
    encoders = sorted(set().union(*(stage.encoders for stage in chosen)))
    write_weights(weights_of(network, encoders), folder)
    files = sorted(file.name for file in folder.iterdir())
    plan = {
        "name": config.name,
        "version": config.version,
        "seed": config.seed,
        "config": digest(config),
        "losses": config.losses.model_dump(),
        "encoders": {name: shape_of(getattr(network, name).config) for name in encoders},
        "stages": [stage.model_dump() for stage in chosen],
        "counts": counts,
        "files": {name: sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    (folder / PLAN).write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")
    (folder / "job.py").write_text(_LAUNCHER, encoding="utf-8")
    shutil.copytree(_JOB, folder / "parley_job", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(precision.__file__, folder / "parley_job")
    return plan


def choose(config: TrainConfig, names: Sequence[str]) -> list[Stage]:
    """The stages with these names, in the configuration's order; all if `names` is empty."""
    known = [stage.name for stage in config.stages]
    if not known:
        raise RunError("this configuration has no stages to pack: use `parley train`")
    if unknown := sorted(set(names) - set(known)):
        raise RunError(f"there is no stage {unknown[0]!r}; stages are {', '.join(known)}")
    return [stage for stage in config.stages if not names or stage.name in names]


def rows_of(task: Task, prepared: Prepared, *, seed: int) -> list[Example]:
    """The examples for `task`: those rows of its sources and kinds of augmented rows that have its labels."""
    rows = [e for e in prepared.own if e.source in task.sources]
    rows += [e for name in task.made for e in prepared.made[name]]
    rows = [e for e in rows if _is_read(e, task)]
    if task.first_target:
        firsts = {(e.group, e.article, e.text): e.target for e in reversed(rows) if e.target}
        rows = [e for e in rows if e.target and e.target == firsts[e.group, e.article, e.text]]
    if not task.article:
        rows = [replace(e, article=None, off_topic=None) for e in rows if e.target and e.stance]
    if not task.target:
        rows = [replace(e, target=None, stance=None) for e in rows if e.article and e.off_topic is not None]
        rows = list({(e.article, e.text): e for e in rows}.values())
    if task.on_topic is not None:
        off = [e for e in rows if e.off_topic]
        on = [e for e in rows if not e.off_topic]
        most = min(len(on), round(len(off) * task.on_topic))
        rows = off + random.Random(f"{seed}:{task.name}:on_topic").sample(on, most)
    if task.sideless < 1:
        rng = random.Random(f"{seed}:{task.name}:sideless")
        rows = [e for e in rows if e.stance != "none" or e.off_topic or rng.random() < task.sideless]
    if task.cap is not None and len(rows) > task.cap:
        rows = random.Random(f"{seed}:{task.name}").sample(rows, task.cap)
    return rows


def _is_read(example: Example, task: Task) -> bool:
    if not example.weight:
        return False  # unlabelled, for a teacher
    if task.read == "pairs":
        return example.stance is not None or example.off_topic is not None
    if task.read == "replies":
        return example.reply is not None
    if task.read == "comments":
        return bool(example.labels) or example.spans is not None
    return bool(example.article) and example.off_topic == 0.0


def to_arrays(
    task: Task, rows: Sequence[Example], tokenizer_file: Path, *, article_tokens: int
) -> dict[str, Array]:
    """The rows as arrays for the job; token ids are concatenated."""
    tokenizer = Tokenizer(tokenizer_file, max_tokens=task.tokens, stride=0)
    weight = np.array([e.weight for e in rows], dtype=np.float16)
    if task.read in ("pairs", "replies"):
        context_of = pair_context_of if task.read == "pairs" else reply_context_of
        pairs = tokenizer.pairs([(context_of(e), plain_text(e.text).text) for e in rows])
        return {
            **_flat("ids", [pair.ids for pair in pairs]),
            "contexts": np.array([pair.types.count(0) for pair in pairs], dtype=np.uint16),
            "weight": weight,
            **_answers(rows, task),
        }
    plain = [plain_text(e.text) for e in rows]
    windows = [of[0] for of in tokenizer.comments([p.text for p in plain])]
    arrays = {**_flat("ids", [w.ids for w in windows]), "weight": weight}
    if task.read == "comments":
        labels = [[e.labels.get(label, np.nan) for label in COMMENT_LABELS] for e in rows]
        marks = [_marks(e, p, w) for e, p, w in zip(rows, plain, windows, strict=True)]
        return arrays | {
            "labels": np.array(labels, dtype=np.float16),
            "spans": np.concatenate(marks).astype(np.int8),
        }
    articles = list(dict.fromkeys(e.article or "" for e in rows))
    place = {article: i for i, article in enumerate(articles)}
    reader = Tokenizer(tokenizer_file, max_tokens=article_tokens, stride=0)
    contexts = reader.articles([plain_text(article).text for article in articles])
    flat = _flat("article_ids", [row.ids for row in contexts], lengths="article_lengths")
    return arrays | flat | {"article": np.array([place[e.article or ""] for e in rows], dtype=np.int32)}


def _answers(rows: Sequence[Example], task: Task) -> dict[str, Array]:
    """The labels of pair rows; labels that `task` doesn't train are left unknown."""
    pairs, count = task.read == "pairs", len(rows)
    stance, reply = np.full(count, UNKNOWN, dtype=np.int8), np.full(count, UNKNOWN, dtype=np.int8)
    off_topic = np.full(count, np.nan, dtype=np.float16)
    for i, example in enumerate(rows):
        if pairs and example.stance is not None:
            stance[i] = SIDES.index(example.stance)
        if pairs and example.off_topic is not None:
            off_topic[i] = example.off_topic
        if not pairs and example.reply is not None:
            reply[i] = REPLIES.index(example.reply)
    return {"stance": stance, "off_topic": off_topic, "reply": reply}


def _marks(example: Example, plain: Any, window: Any) -> Array:
    """1 for tokens in a toxic span, 0 for others, UNKNOWN for special tokens and unannotated texts."""
    marks = np.array(span_labels(example.spans, plain, window) or [np.nan] * len(window))
    return np.where(np.isnan(marks), UNKNOWN, marks)


def _flat(name: str, rows: Sequence[Sequence[int]], *, lengths: str = "lengths") -> dict[str, Array]:
    ids = np.fromiter((i for row in rows for i in row), dtype=np.int64)
    return {name: ids.astype(np.uint16), lengths: np.array([len(row) for row in rows], dtype=np.uint16)}


def shape_of(config: PretrainedConfig) -> dict[str, Any]:
    """What the job needs to know about an encoder besides its weights. Raises RunError if it can't run it."""
    if config.model_type != "bert" or config.hidden_act not in ("gelu", "relu"):
        raise RunError(
            f"the portable job runs BERT with gelu or relu, not {config.model_type} with "
            f"{config.hidden_act}: train it with `parley train`"
        )
    return {
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "eps": config.layer_norm_eps,
        "activation": config.hidden_act,
    }


def weights_of(network: Network, encoders: Sequence[str]) -> dict[str, Tensor]:
    """The network's weights that belong to these encoders and their heads."""
    parts = {part for name in encoders for part in (name, *HEADS[name])}
    return {name: w for name, w in network.state_dict().items() if name.split(".")[0] in parts}


def write_weights(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write weights.npz in half precision, or in int8 if the folder would become too large.

    If it is too large even so, deletes the folder and raises RunError.
    """
    file = folder / "weights.npz"
    rows = sum(other.stat().st_size for other in folder.iterdir() if other != file)
    arrays = {
        name: w.numpy() if not w.is_floating_point() else w.half().numpy() for name, w in weights.items()
    }
    if rows + sum(a.nbytes for a in arrays.values()) > MOST_BYTES:
        log.info("storing weights in int8: in half precision they would exceed %d MB", MOST_BYTES // 10**6)
        arrays = {}
        for name, weight in weights.items():
            arrays |= _to_int8(name, weight.float().numpy())
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    if rows + file.stat().st_size > MOST_BYTES:
        sizes = ", ".join(f"{f.name} {f.stat().st_size / 1e6:.0f} MB" for f in sorted(folder.iterdir()))
        shutil.rmtree(folder)
        raise RunError(
            f"the folder would exceed {MOST_BYTES // 10**6} MB ({sizes}): pack the stages separately "
            "(--stages), or cap their tasks"
        )


def _to_int8(name: str, weight: NDArray[np.float32]) -> dict[str, Array]:
    """A large matrix as int8 with a scale per row, under NAME|scale; anything else in half precision."""
    if weight.ndim != 2 or weight.size < _SMALL:
        return {name: weight.astype(np.float16)}
    scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
    return {name: np.round(weight / scale).astype(np.int8), f"{name}|scale": scale}
