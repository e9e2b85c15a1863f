from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRMConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

DATA = {"seq_len": 16, "vocab_size": 7, "num_puzzle_identifiers": 5}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, 0) for field in ("H_cycles", "L_cycles", "H_layers", "L_layers", "hidden_size", "num_heads")),
        *((field, 0) for field in ("halt_max_steps", "seq_len", "vocab_size", "num_puzzle_identifiers")),
        *((field, 0) for field in ("expansion", "rms_norm_eps", "rope_theta")),
        ("H_cycles", 1.5),
        ("puzzle_emb_ndim", -1),
        ("halt_exploration_prob", -0.1),
        ("halt_exploration_prob", 1.1),
        ("pos_encodings", "absolute"),
        ("forward_dtype", "float16"),
        ("hiden_size", 512),
        ("num_heads", 7),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    field: str, value: Any, make_config: Callable[..., HRMConfig]
) -> None:
    with pytest.raises(ValidationError, match=field):
        make_config(**{field: value})


@pytest.mark.parametrize("field", DATA)
def test_what_the_data_decides_has_no_default(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        HRMConfig(**{name: value for name, value in DATA.items() if name != field})


def test_rope_needs_an_even_head_size_and_learned_positions_do_not() -> None:
    odd = {**DATA, "hidden_size": 15, "num_heads": 3}
    with pytest.raises(ValidationError, match="rope needs heads whose size is a multiple of 2"):
        HRMConfig(**odd, pos_encodings="rope")
    assert HRMConfig(**odd, pos_encodings="learned").hidden_size == 15


def test_the_defaults_are_the_published_settings() -> None:
    config = HRMConfig(**DATA)
    assert (config.hidden_size, config.num_heads, config.expansion) == (512, 8, 4)
    assert (config.H_layers, config.L_layers, config.H_cycles, config.L_cycles) == (4, 4, 2, 2)
    assert (config.halt_max_steps, config.halt_exploration_prob, config.puzzle_emb_ndim) == (16, 0.1, 512)
    assert (config.pos_encodings, config.dtype) == ("rope", mx.bfloat16)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.sampled_from([8, 16, 64]), st.integers(1, 100))
def test_the_prefix_is_the_fewest_positions_that_hold_the_puzzle_embedding(E: int, D: int, L: int) -> None:
    config = HRMConfig(puzzle_emb_ndim=E, hidden_size=D, num_heads=2, seq_len=L, vocab_size=7, num_puzzle_identifiers=5)
    assert config.prefix_len * D >= E > (config.prefix_len - 1) * D
    assert config.total_len == config.prefix_len + L


def test_a_configuration_is_its_own_file_format_and_cannot_be_changed(make_config: Callable[..., HRMConfig]) -> None:
    config = make_config()
    assert HRMConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.hidden_size = 32  # type: ignore[misc]
