"""Compare size, speed and accuracy of a model with weights of 32, 8 and 4 bits.

    uv run python tests/benchmarks/quantised.py [--checkpoint PATH] [--runs DIR] [--data-path DIR]

The test split is answered in turn by each, several times, so that other load on the machine touches all alike.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from hrm_data import IGNORE, Dataset
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.loading._dataset import open_test_split
from hrm_evaluator.loading._model import load_one
from hrm_model import ContinuousPredictor, Quantization, quantize, save_weights

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data-path", type=Path)
    args = parser.parse_args()
    checkpoint = find_checkpoint(args.checkpoint, args.runs)
    dataset = open_test_split(checkpoint, load_one(checkpoint), args.data_path)
    predictors, sizes = {}, {}
    for bits in (32, 8, 4):
        model = load_one(checkpoint)
        if bits != 32:
            quantize(model, Quantization.model_validate({"bits": bits}))
        with tempfile.TemporaryDirectory() as folder:
            save_weights(model, Path(folder) / "model.safetensors")
            sizes[bits] = (Path(folder) / "model.safetensors").stat().st_size
        predictors[bits] = ContinuousPredictor(model)
        predictors[bits].prepare(dataset.examples)
    found: dict[int, list[tuple[float, float, float]]] = {bits: [] for bits in predictors}
    for _ in range(ROUNDS):
        for bits, predictor in predictors.items():
            found[bits].append(measured(predictor, dataset))
    print(f"{checkpoint.weights}, {dataset.examples} puzzles, {ROUNDS} rounds")
    print("| bits | bytes | puzzles/s | mean steps | exact accuracy |\n|---|---|---|---|---|")
    for bits, rounds in found.items():
        _, steps, exact = rounds[0]
        speed = statistics.median(rate for rate, _, _ in rounds)
        print(f"| {bits} | {sizes[bits]:,} | {speed:.1f} | {steps:.2f} | {exact:.2%} |")


def measured(predictor: ContinuousPredictor, dataset: Dataset) -> tuple[float, float, float]:
    """Puzzles per second, mean steps and exact accuracy."""
    steps, exact, count, start = 0, 0, 0, time.perf_counter()
    for record in answer_batches(predictor, dataset_batches(dataset, predictor.batch_size)):
        assert record.labels is not None
        steps += record.answer.steps
        exact += bool(np.all((record.tokens == record.labels) | (record.labels == IGNORE)))
        count += 1
    return count / (time.perf_counter() - start), steps / count, exact / count


if __name__ == "__main__":
    main()
