"""The weights of a model as bytes for a page: a safetensors file with the rows of the puzzle table that are used."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mlx.core as mx
from hrm_model import HRM, Quantization, quantize, weights_metadata
from mlx.utils import tree_flatten

_TABLE = "puzzle_emb."


def weight_file(model: HRM, identifiers: Sequence[int]) -> bytes:
    """Return a safetensors file of the model that knows only some puzzles, in the order of `identifiers`."""
    arrays = dict(tree_flatten(model.parameters()))
    rows = model.table_rows(mx.array(list(identifiers)))
    kept = {name: array[rows] if name.startswith(_TABLE) else array for name, array in arrays.items()}
    config = model.config.model_copy(update={"num_puzzle_identifiers": len(identifiers)})
    metadata = {
        **weights_metadata(model),
        "config": config.model_dump_json(),
        "plan": json.dumps(config.plan._asdict()),
    }
    with tempfile.TemporaryDirectory(prefix="hrm-playground-") as folder:
        path = Path(folder) / "model.safetensors"
        mx.save_safetensors(str(path), kept, metadata=metadata)
        return path.read_bytes()


def with_eight_bits(model: HRM) -> HRM:
    """Return a copy of a model with weights of 8 bits, as `evaluator quantize` writes them."""
    copy = HRM(model.config)
    copy.load_weights(list(tree_flatten(model.parameters())))
    copy.task = model.task
    quantize(copy, Quantization(bits=8))
    return copy
