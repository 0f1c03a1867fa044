"""Writes the network as the served ONNX graph, node by node; float, or int8 with fixed ranges.

    full = build(network, "comments")                               float; the reference for int8
    ranges = observe(network, "comments", rows)
    int8 = build(network, "comments", ranges=ranges)                as in an artifact

The graph from torch's exporter is slower: it transposes and reshapes around attention, builds masks that rows
without padding don't need, and triggers ONNX Runtime's fusion of addition and layer norm, which is slower
than the two separately.

In int8, a layer's weights have one scale per output and seven bits of range (processors without VNNI would
overflow), and its input has one fixed range, measured on sample rows. The few channels of the intermediate
layer that far exceed the others are split to fit it (outlier channel splitting, Zhao et al. 2019). So a row's
integers don't depend on the rows in its batch; sums that batching could reorder are written so that it can't.
Supported layouts are BERT's and, for a teacher, MPNet's, which has an attention bias by distance and no token
types.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from transformers import PretrainedConfig
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from parley.model.labels import COMMENT_LABELS, REPLIES, STANCES
from parley.model.text.tokenization import Tokens
from parley.training.errors import RunError
from parley.training.network.network import WINDOW, WINDOW_STEP, Network

Floats = NDArray[np.float32]
Part = Literal["comments", "pairs"]
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "comments": ("encoder", ("comment_head", "span_head")),
    "pairs": (
        "pair_encoder",
        ("stance_hidden", "stance_head", "reply_head", "off_topic_hidden", "off_topic_head"),
    ),
}
"""The graphs of a network: each has an encoder and its heads."""
_SCALARS = {"comments": ("off_topic_scale", "off_topic_bias"), "pairs": ("relatedness",)}
"""Weights for further training and initial calibration; not used in scoring."""
INPUTS = ("input_ids", "token_type_ids")
OPSET = 23
"""The first ONNX opset with attention as one operator."""
MARGIN = 1.1
"""Factor by which a range exceeds that of the sample; values beyond are clipped."""
WEIGHT_TOP, EMBEDDING_TOP = 63, 127

WIDE = 8.0
"""The value above which an intermediate channel is split; few channels reach it, one far exceeds it."""

Ranges = Mapping[str, tuple[Floats, Floats]]
"""Lowest and highest input of each channel of each quantised layer, by the layer's name."""
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True)
class _Layout:
    """An encoder's names for the parts of attention, its first position, and whether it tolerates int8."""

    reads: tuple[str, str, str]
    out: str
    norm: str
    first_position: int = 0
    int8: bool = True


_LAYOUTS = {
    "bert": _Layout(
        ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.output.dense",
        "attention.output.LayerNorm",
    ),
    "mpnet": _Layout(
        ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention.attn.o",
        "attention.LayerNorm",
        first_position=2,
        int8=False,
    ),
}


def check_kind(config: PretrainedConfig) -> None:
    """Raises RunError for an encoder that can't be exported."""
    if config.model_type not in _LAYOUTS:
        raise RunError(
            f"the base is a {config.model_type} encoder, and only {' and '.join(_LAYOUTS)} encoders can be "
            "exported: choose another base"
        )


def bears_int8(config: PretrainedConfig) -> bool:
    """Whether int8 stays close to float: embeddings have a cosine of 0.99 for MiniLM, of 0.82 for MPNet."""
    return _LAYOUTS[config.model_type].int8


def config_of(network: Network, part: Part) -> PretrainedConfig:
    """The configuration of the part's encoder."""
    return network.config if part == "comments" else network.pair_config


def build(
    network: Network, part: Part, *, ranges: Ranges | None = None, watched: bool = False
) -> onnx.ModelProto:
    """A part of `network` (on the CPU) as a graph; see `parley.model.artifact` for its inputs and outputs.

    Without `ranges` it is float. `watched` adds each layer's input as an output, named after the layer.
    Raises RunError for encoders other than BERT and MPNet.
    """
    check_kind(config_of(network, part))
    return _Graph(network, part, ranges, watched=watched).model()


def observe(network: Network, part: Part, rows: Sequence[Tokens]) -> dict[str, tuple[Floats, Floats]]:
    """The range of each layer's input on `rows` by channel, with a margin."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watched.onnx"
        onnx.save(build(network, part, watched=True), file)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs() if o.name.startswith(_WATCHED)]
    nothing = np.zeros(1, np.float32)
    ends = dict.fromkeys(names, (nothing, nothing))
    for row in rows:
        fed = {"input_ids": np.array([row.ids]), "token_type_ids": np.array([row.types])}
        for name, values in zip(names, session.run(names, fed), strict=True):
            low, high = ends[name]
            axes = tuple(range(values.ndim - 1))
            ends[name] = np.minimum(low, values.min(axes)), np.maximum(high, values.max(axes))
    return {name.removeprefix(_WATCHED): (low * MARGIN, high * MARGIN) for name, (low, high) in ends.items()}


_WATCHED = "into."


class _Graph:
    """A graph under construction. Methods take and return names of values."""

    def __init__(self, network: Network, part: Part, ranges: Ranges | None, *, watched: bool) -> None:
        self._part = part
        self._encoder, heads = PARTS[part]
        state = {k: v.detach().float().numpy() for k, v in network.state_dict().items()}
        self._weights = {k: v for k, v in state.items() if k.split(".")[0] in (self._encoder, *heads)}
        self._about = {
            "encoder": self._encoder,
            "heads": json.dumps(heads),
            "scalars": json.dumps({name: state[name].tolist() for name in _SCALARS[part]}),
        }
        self._config: Any = config_of(network, part)
        self._layout = _LAYOUTS[self._config.model_type]
        self._ranges = None if ranges is None else dict(ranges)
        self._watched = watched
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._outputs: list[onnx.ValueInfoProto] = []

    def model(self) -> onnx.ModelProto:
        x = self._embeddings()
        bias = self._distance_bias() if self._config.model_type == "mpnet" else ""
        for layer in range(self._config.num_hidden_layers):
            x = self._layer(x, layer, bias)
        shapes = self._comment_heads(x) if self._part == "comments" else self._pair_heads(x)
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"]) for name in INPUTS
        ]
        for name, shape in shapes.items():
            value = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", *shape])
            self._outputs.append(value)
        graph = helper.make_graph(
            self._nodes, "parley", inputs, self._outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        helper.set_model_props(model, self._about)
        return model

    def _embeddings(self) -> str:
        """The normalised sum of word, position and (BERT) type embeddings; each int8 word has a scale."""
        prefix = f"{self._encoder}.embeddings"
        table = self._weights[f"{prefix}.word_embeddings.weight"]
        if self._ranges is None:
            words = self._add("Gather", self._constant("words", table), "input_ids")
        else:
            integers, scales = _to_int8(table, axis=1, top=EMBEDDING_TOP)
            words = self._add("Gather", self._constant("words", integers), "input_ids")
            words = self._add("Cast", words, to=TensorProto.FLOAT)
            scale = self._add("Gather", self._constant("word_scales", scales), "input_ids")
            words = self._add("Mul", words, scale)
        zero, length = self._constant("zero", np.array([0])), self._add("Shape", "input_ids", start=1)
        table = self._weights[f"{prefix}.position_embeddings.weight"][self._layout.first_position :]
        places = self._add("Slice", self._constant("places", table), zero, length, zero)
        x = self._add("Add", words, places)
        if (name := f"{prefix}.token_type_embeddings.weight") in self._weights:
            x = self._add("Add", x, self._add("Gather", self._weight(name), "token_type_ids"))
        return self._norm(x, f"{prefix}.LayerNorm")

    def _distance_bias(self) -> str:
        """(1, heads, tokens, tokens): MPNet's attention bias by the distance between two tokens."""
        most = self._config.max_position_embeddings
        apart = torch.arange(1 - most, most)
        buckets = MPNetEncoder.relative_position_bucket(apart).numpy()  # type: ignore[no-untyped-call]
        biases = self._weights[f"{self._encoder}.encoder.relative_attention_bias.weight"][buckets].T
        length = self._add("Squeeze", self._add("Shape", "input_ids", start=1))
        one = self._constant("step", np.array(1))
        places = self._add("Range", self._constant("start", np.array(0)), length, one)
        rows = self._add("Unsqueeze", places, self._constant("last", np.array([1])))
        places = self._add("Add", self._add("Sub", places, rows), self._constant("most", np.array(most - 1)))
        bias = self._add("Gather", self._constant("biases", biases), places, axis=1)
        return self._add("Unsqueeze", bias, self._constant("rows", np.array([0])))

    def _layer(self, x: str, layer: int, bias: str) -> str:
        prefix, heads = f"{self._encoder}.encoder.layer.{layer}", self._config.num_attention_heads
        reads = self._linear(x, *(f"{prefix}.{part}" for part in self._layout.reads))
        mask = [bias] if bias else []
        attended = self._add("Attention", *reads, *mask, q_num_heads=heads, kv_num_heads=heads)
        (y,) = self._linear(attended, f"{prefix}.{self._layout.out}")
        x = self._norm(self._add("Add", y, x), f"{prefix}.{self._layout.norm}")
        middle, out = f"{prefix}.intermediate.dense", f"{prefix}.output.dense"
        self._split_wide(middle, out)
        (y,) = self._linear(x, middle)
        (y,) = self._linear(self._activate(y), out)
        return self._norm(self._add("Add", y, x), f"{prefix}.output.LayerNorm")

    def _split_wide(self, middle: str, out: str) -> None:
        """Split each intermediate channel that exceeds WIDE into several, each covering a range of that
        width.

        The k-th copy starts at k times WIDE, and quantisation clips it after another WIDE, so that the copies
        add up to the value (near the end of a copy, less a part of the activation's dip below zero).
        Otherwise one channel would make the quantisation step of all 1,536 three times as coarse.
        """
        if self._ranges is None or self._ranges[out][1].max() <= WIDE:
            return
        bias, (low, high) = self._weights[f"{middle}.bias"], self._ranges[out]
        copies = np.ceil(high / WIDE).astype(int)
        wide = [(channel, k) for channel, n in enumerate(copies) for k in range(1, n)]
        channels = [*range(len(bias)), *(channel for channel, _ in wide)]
        begins = np.array([*np.zeros(len(bias)), *(k * WIDE for _, k in wide)], np.float32)
        self._weights[f"{middle}.bias"] = bias[channels] - begins
        self._weights[f"{middle}.weight"] = self._weights[f"{middle}.weight"][channels]
        self._weights[f"{out}.weight"] = self._weights[f"{out}.weight"][:, channels]
        # Shift the lower end slightly, so that the highest integer is exactly WIDE, where the next copy
        # starts.
        zero = round(255 * -low.min() / (WIDE - low.min()))
        self._ranges[out] = np.array([-WIDE * zero / (255 - zero)]), np.minimum(high, WIDE)

    def _activate(self, x: str) -> str:
        if self._config.hidden_act != "relu":
            return self._add("Gelu", x)
        # With ranges, quantisation clips at zero, which is what Relu does.
        return self._add("Relu", x) if self._ranges is None else x

    def _comment_heads(self, x: str) -> dict[str, list[str | int]]:
        """Add the heads; returns their outputs' shapes without the rows.

        Rows are the right operand of each product, so that a row's sum doesn't depend on the batch.
        """
        means = self._add("MatMul", self._windows(), x)
        self._comment_logits(self._row(x, 0), means)
        mean = self._squeeze(self._row(means, 0), 1)
        self._add("LpNormalization", mean, axis=-1, p=2, output="embedding")
        spans = self._add("MatMul", x, self._constant("span_head", self._weights["span_head.weight"].T))
        spans = self._add("Add", spans, self._weight("span_head.bias"))
        self._squeeze(spans, 2, output="span_logits")
        return {
            "comment_logits": [len(COMMENT_LABELS)],
            "span_logits": ["tokens"],
            "embedding": [self._config.hidden_size],
        }

    def _pair_heads(self, x: str) -> dict[str, list[str | int]]:
        """As `_comment_heads`, for pairs."""
        length = self._add("Shape", "input_ids", start=1)
        ones = self._add("Expand", self._constant("one", np.ones((1, 1), np.float32)), length)
        count = self._add("Cast", length, to=TensorProto.FLOAT)
        mean = self._add("Div", self._add("MatMul", ones, x), count)
        both = self._add("Concat", self._row(x, 0), mean, axis=-1)
        stance, off_topic = (
            self._add("Transpose", self._add("Tanh", hidden), perm=[0, 2, 1])
            for hidden in self._linear(both, "stance_hidden", "off_topic_hidden")
        )
        self._head(stance, "stance_head", output="stance_logits")
        self._head(stance, "reply_head", output="reply_logits")
        self._squeeze(self._head(off_topic, "off_topic_head"), 1, output="off_topic_logits")
        return {"stance_logits": [len(STANCES)], "off_topic_logits": [], "reply_logits": [len(REPLIES)]}

    def _row(self, x: str, place: int) -> str:
        """From (rows, n, width), the `place`-th of n: (rows, 1, width)."""
        ends = (self._constant(f"at{i}", np.array([i])) for i in (place, place + 1, 1))
        return self._add("Slice", x, *ends)

    def _windows(self) -> str:
        """(1 + windows, tokens): the weight of each token in the mean of the row and of each window.

        A row of up to WINDOW tokens has at most one window, which is the whole row.
        """
        length = self._add("Squeeze", self._add("Shape", "input_ids", start=1))
        zero, one = (self._constant(f"scalar{i}", np.array(i)) for i in (0, 1))
        step = self._constant("window_step", np.array(WINDOW_STEP))
        tokens = self._add("Range", zero, length, one)
        starts = self._add("Range", zero, self._add("Sub", length, step), step)
        starts = self._add("Unsqueeze", starts, self._constant("axis1", np.array([1])))
        places = self._add("Sub", tokens, starts)
        begun = self._add("GreaterOrEqual", places, zero)
        ended = self._add("Less", places, self._constant("window", np.array(WINDOW)))
        inside = self._add("Cast", self._add("And", begun, ended), to=TensorProto.FLOAT)
        whole = self._add("Cast", self._add("GreaterOrEqual", tokens, zero), to=TensorProto.FLOAT)
        whole = self._add("Unsqueeze", whole, self._constant("axis0", np.array([0])))
        rows = self._add("Concat", whole, inside, axis=0)
        return self._add("Div", rows, self._add("ReduceSum", rows, self._constant("axis1", np.array([1]))))

    def _comment_logits(self, first: str, means: str) -> None:
        """The highest logit of each label over the means of the row and of its windows."""
        for_first, for_mean = np.split(self._weights["comment_head.weight"], 2, axis=1)
        of_first, of_means = (
            self._add("MatMul", self._constant(name, weight), self._add("Transpose", x, perm=[0, 2, 1]))
            for name, weight, x in (
                ("comment_head.first", for_first, first),
                ("comment_head.mean", for_mean, means),
            )
        )
        highest = self._add("ReduceMax", of_means, self._constant("axis2", np.array([2])))
        logits = self._squeeze(self._add("Add", highest, of_first), 2)
        self._add("Add", logits, self._weight("comment_head.bias"), output="comment_logits")

    def _head(self, column: str, name: str, *, output: str | None = None) -> str:
        logits = self._squeeze(self._add("MatMul", self._weight(f"{name}.weight"), column), 2)
        return self._add("Add", logits, self._weight(f"{name}.bias"), output=output)

    def _linear(self, x: str, *names: str) -> list[str]:
        """Linear layers on the same input `x`, which is quantised once."""
        if self._watched:
            self._add("Identity", x, output=_WATCHED + names[0])
            self._outputs.append(helper.make_tensor_value_info(_WATCHED + names[0], TensorProto.FLOAT, None))
        if self._ranges is None:
            products = [
                self._add("MatMul", x, self._constant(n, self._weights[f"{n}.weight"].T)) for n in names
            ]
            return [
                self._add("Add", y, self._weight(f"{n}.bias")) for y, n in zip(products, names, strict=True)
            ]
        lows, highs = self._ranges[names[0]]
        low, high = lows.min(), highs.max()
        step = np.float32(max(high - low, 1e-6) / 255)
        scale = self._constant(f"{names[0]}.step", step)
        zero = self._constant(f"{names[0]}.zero", np.uint8(round(-low / step)))
        x = self._add("QuantizeLinear", x, scale, zero)
        results = []
        for name in names:
            integers, scales = _to_int8(self._weights[f"{name}.weight"].T, axis=0, top=WEIGHT_TOP)
            weight = self._constant(f"{name}.int8", integers)
            of_weight = self._constant(f"{name}.scales", scales)
            inputs = (x, weight, scale, of_weight, zero, "", self._weight(f"{name}.bias"))
            results.append(self._add("MatMulIntegerToFloat", *inputs, domain=_MICROSOFT))
        return results

    def _norm(self, x: str, name: str) -> str:
        gain, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._add("LayerNormalization", x, gain, bias, axis=-1, epsilon=self._config.layer_norm_eps)

    def _squeeze(self, x: str, axis: int, *, output: str | None = None) -> str:
        return self._add("Squeeze", x, self._constant(f"axis{axis}", np.array([axis])), output=output)

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def _add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{operator}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _to_int8(
    values: NDArray[np.float32], *, axis: int, top: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise to integers from -top to top, with a scale per row (axis 1) or column (axis 0)."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / top, 1e-12).astype(np.float32)
    integers = np.round(values / scales).astype(np.int8)
    return integers, scales if axis else scales[0]
