"""Choosing between bfloat16 and float32 by what this machine does faster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install -e '.[train]'")

from parley.training.network import precision


@pytest.fixture(autouse=True)
def _measured_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    precision.faster_in_bfloat16.cache_clear()
    yield
    precision.faster_in_bfloat16.cache_clear()


@pytest.mark.parametrize(("half", "chosen"), [(0.004, True), (0.009, False), (0.015, False)])
def test_bfloat16_is_chosen_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, half: float, chosen: bool
) -> None:
    times = {False: 0.01, True: half}
    monkeypatch.setattr(precision, "_seconds", lambda *, half: times[half])
    assert precision.faster_in_bfloat16() is chosen


def test_the_layer_is_timed() -> None:
    assert 0 < precision._seconds(half=False) < 10
    assert 0 < precision._seconds(half=True) < 10
