from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hrm_data.sources._spool import Chosen, Spool
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 40), max_size=5), st.integers(1, 5), st.data())
def test_rows_come_back_as_from_an_array(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], width: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(len(sizes))
    parts = [rng.integers(0, 256, (size, width)).astype(np.uint8) for size in sizes]
    whole = np.concatenate([np.zeros((0, width), np.uint8), *parts])
    with Spool(width, tmp_path_factory.mktemp("spool")) as spool:
        for part in parts:
            spool.append(part)
            assert (spool[0:1] == whole[0 : min(1, len(spool))]).all()  # reading between does not move the end
        assert spool.shape == whole.shape
        rows = st.integers(0, max(len(whole) - 1, 0))
        chosen = np.array(sorted(data.draw(st.sets(rows))) if len(whole) else [], np.int64)
        assert (spool[chosen] == whole[chosen]).all()
        start, stop = data.draw(rows), data.draw(rows)
        assert (spool[start:stop] == whole[start:stop]).all()
        view = Chosen(spool, chosen, slice(0, width, None), add=1)
        assert (view[0 : len(chosen)] == whole[chosen] + np.uint8(1)).all()


def test_nothing_is_left_on_the_disk(tmp_path: Path) -> None:
    with Spool(3, tmp_path) as spool:
        spool.append(np.zeros((5, 3), np.uint8))
        assert spool[1:3].shape == (2, 3)
    assert list(tmp_path.iterdir()) == []


def test_far_rows_are_read_one_by_one(tmp_path: Path) -> None:
    whole = np.arange(4000, dtype=np.uint8).reshape(2000, 2)
    with Spool(2, tmp_path) as spool:
        spool.append(whole)
        far = np.array([0, 900, 1999])
        assert (spool[far] == whole[far]).all()
