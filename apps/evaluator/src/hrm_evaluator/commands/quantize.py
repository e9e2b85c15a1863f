"""The command `evaluator quantize`: writes a model with weights of fewer bits."""

import json
import tempfile
from pathlib import Path

from hrm_data.terminal import console_for
from hrm_model import HRM, Quantization, quantize, save_weights

from hrm_evaluator._output import check_new, publish_new, to_json
from hrm_evaluator._settings import Quantize
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.loading._dataset import open_task
from hrm_evaluator.loading._model import load_one


def write_quantized(settings: Quantize) -> int:
    """Write the file and print its size; return the exit code."""
    path = settings.output
    check_new("--output", path)
    checkpoint = find_checkpoint(settings.named, settings.runs)
    model = load_one(checkpoint, settings.data_path, settings.task)
    if task := open_task(checkpoint, model, settings.task):
        model.task = json.dumps(task.to_json())
    quantize(model, Quantization.model_validate({"bits": int(settings.bits), "group_size": int(settings.group_size)}))
    _write(model, path)
    sizes = {"bytes": path.stat().st_size, "bytes_before": checkpoint.weights.stat().st_size}
    if settings.as_json:
        print(to_json({"checkpoint": str(checkpoint.weights), "output": str(path), **sizes}))
    else:
        console = console_for()
        console.print(f"{path}  {sizes['bytes']:,} bytes, before {sizes['bytes_before']:,}", soft_wrap=True)
    return 0


def _write(model: HRM, path: Path) -> None:
    """Write the weights to a temporary file, then give it its name."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        complete = Path(folder) / "model.safetensors"
        try:
            save_weights(model, complete)
        except RuntimeError as error:  # MLX raises it for a full disk
            raise OSError(f"{path} cannot be written ({error})") from error
        publish_new("--output", complete, path)
