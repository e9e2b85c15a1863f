"""The command ``evaluator quantize``: write a model with smaller weights."""

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hrm_model import HRM, Quantization, quantize, save_weights
from rich.console import Console

from hrm_evaluator._errors import UserError
from hrm_evaluator._open import find_checkpoint, open_model
from hrm_evaluator._save import check_new

if TYPE_CHECKING:
    from hrm_evaluator.cli import Quantize


def write_quantized(settings: "Quantize") -> int:
    """Write the file and say how large it is; return the exit code."""
    path = settings.output
    check_new("--output", path)
    checkpoint = find_checkpoint(settings.checkpoint, settings.runs)
    model = open_model(checkpoint, settings.data_path, settings.task)
    quantize(model, Quantization.model_validate({"bits": int(settings.bits), "group_size": int(settings.group_size)}))
    _write(model, path)
    sizes = {"bytes": path.stat().st_size, "bytes_before": checkpoint.weights.stat().st_size}
    if settings.as_json:
        print(json.dumps({"checkpoint": str(checkpoint.weights), "output": str(path), **sizes}))
    else:
        console = Console(highlight=False)
        console.print(f"{path}  {sizes['bytes']:,} bytes, before {sizes['bytes_before']:,}", soft_wrap=True)
    return 0


def _write(model: HRM, path: Path) -> None:
    """Write the whole file under another name, and give it its own if that is still free."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        whole = Path(folder) / "model.safetensors"
        try:
            save_weights(model, whole)
        except RuntimeError as error:  # MLX's word for a full disk
            raise OSError(f"{path} cannot be written ({error})") from error
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(whole, path)
        except FileExistsError:
            raise UserError(f"--output {path}: appeared meanwhile; nothing is overwritten") from None
