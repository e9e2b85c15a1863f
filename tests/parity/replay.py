"""Replay a case that the reference HRM computed, and say by how much this implementation differs from it.

    uv run python tests/parity/replay.py CASE.npz

``CASE.json`` lies beside it; the form of both is in ``fixtures/README.md``. Three passes over the case:

- *plain*: ``loss_and_gradients`` and both optimisers, every output, loss, metric, carry and gradient compared at every
  step, the weights after the last; then evaluation step by step from the case's final weights.
- *compiled*: the same steps through ``TrainStep``, which is what training runs, spread over the lanes of the CPU.
- *predictor*: the same evaluation through ``Predictor`` and ``score``, which is what the applications run.

The error of a quantity is ``|ours - reference| / |reference|`` in the Euclidean norm, the worst over all steps; where
the reference is all zeros it is ``|ours|``. Final weights are measured against the size of the update,
``|ours - final| / |final - init|``; a tensor that the reference leaves unchanged must be unchanged. A step may hold no
gradients; in one that does, a missing gradient is zero. Whatever is not finite or of another shape is infinitely wrong.

Exits 0 when everything is within tolerance, 1 when not, 2 when the case cannot be used.
"""

import argparse
import json
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from hrm_model import (
    HRM,
    ACTOutput,
    Batch,
    Carry,
    HRMConfig,
    Predictor,
    act_step,
    fill_halted_slots,
    initial_carry,
    our_name,
    score,
)
from hrm_train import AdamAtan2, SparseSignSGD, TrainConfig, TrainStep, act_loss, as_arrays, loss_and_gradients
from hrm_train.step._sums import answer_sums
from mlx.utils import tree_flatten, tree_unflatten
from pydantic import ValidationError

TOLERANCE = 1e-4
FINAL_TOLERANCE = 1e-3
EXACT = 0.0  # halting decisions and step counts, and weights that are not trained

CARRY = {"z_H": TOLERANCE, "z_L": TOLERANCE, "steps": EXACT, "halted": EXACT}
Arrays = Mapping[str, np.ndarray]


class CaseError(Exception):
    """The case cannot be replayed; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Replay a case that the reference HRM computed.")
    parser.add_argument("case", type=Path, metavar="CASE.npz", help="the case's arrays; CASE.json lies beside it")
    try:
        case = read_case(parser.parse_args(argv).case)
        with mx.stream(mx.cpu):  # the tolerances are those of float32 on a CPU
            errors = replay(case)
    except CaseError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    return errors.report()


class Case(NamedTuple):
    """A case with every array under our names, the reference's only where a key is not of ours."""

    config: HRMConfig
    batch_size: int
    loss_type: Any
    optimizer: Mapping[str, float]
    puzzle_optimizer: Mapping[str, float]
    init: Arrays
    final: Arrays
    steps: Sequence[Arrays]
    evaluation: Arrays

    def loss(self, output: ACTOutput, carry: Carry) -> tuple[mx.array, Arrays]:
        return act_loss(output, carry, self.loss_type)

    def batch(self, step: int) -> Batch:
        return as_arrays({key: self.steps[step][f"batch/{key}"] for key in Batch.__annotations__})

    def model(self, weights: Arrays) -> HRM:
        model = HRM(self.config)
        model.update(tree_unflatten([(name, mx.array(array)) for name, array in weights.items()]))
        return model

    def optimizers(self) -> tuple[AdamAtan2, SparseSignSGD]:
        o, p = self.optimizer, self.puzzle_optimizer
        return AdamAtan2(o["lr"], (o["beta1"], o["beta2"]), o["weight_decay"]), SparseSignSGD(
            p["lr"], p["weight_decay"]
        )


def replay(case: Case) -> "Errors":
    errors = Errors()
    replay_plain(case, errors)
    replay_compiled(case, errors)
    replay_evaluation(case, errors)
    return errors


def replay_plain(case: Case, errors: "Errors") -> None:
    model = case.model(case.init)
    optimizer, puzzle_optimizer = case.optimizers()
    carry = initial_carry(case.config, case.batch_size)
    for i, reference in enumerate(case.steps):
        carry, output, metrics, gradients, rows = loss_and_gradients(model, carry, case.batch(i), case.loss)
        loss = metrics.pop("loss")
        ours = {
            "loss": loss,
            **prefixed("outputs", output._asdict()),
            **prefixed("metrics", metrics),
            **prefixed("grad", dict(tree_flatten(gradients))),
            "grad/puzzle_emb_rows": rows,
        }
        missing = {f"grad/{name}": np.zeros(a.shape) for name, a in tree_flatten(gradients)}
        has_gradients = bool(only(reference, "grad"))
        errors.compare("", ours, {**(missing if has_gradients else {}), **without(reference, "batch", "carry")})
        errors.compare("", prefixed("carry", carry), only(reference, "carry"))

        optimizer.update(model, gradients)
        if rows is not None:
            table = model.puzzle_emb
            identifiers = carry["puzzle_identifiers"]
            table.weight[identifiers] = puzzle_optimizer.apply_rows(table.weight[identifiers], identifiers, rows)
        mx.eval(model.parameters(), optimizer.state, puzzle_optimizer.state, carry)
    errors.compare_weights("final", model, case)


def replay_compiled(case: Case, errors: "Errors") -> None:
    model = case.model(case.init)
    config = TrainConfig(global_batch_size=case.batch_size, loss_type=case.loss_type)
    step = TrainStep(model, *case.optimizers(), config)
    for i, reference in enumerate(case.steps):
        step(case.batch(i))
        mx.eval(step.state)
        errors.compare("compiled/", prefixed("carry", step.carry), only(reference, "carry"))
    summed = {
        key: np.asarray(sum(reference[key].astype(np.float64) for reference in case.steps))
        for key in case.steps[0]
        if key == "loss" or key.startswith("metrics/")
    }
    means = step.metrics
    slots, count = len(case.steps) * case.batch_size, means.pop("count")
    del means["halting_steps"]
    sums = {name: mx.array(mean * (slots if name.endswith("loss") else count)) for name, mean in means.items()}
    loss = sums.pop("loss")
    errors.compare("compiled/", {"loss": loss, **prefixed("metrics", {**sums, "count": mx.array(count)})}, summed)
    errors.compare_weights("compiled/final", model, case)


def replay_evaluation(case: Case, errors: "Errors") -> None:
    """Run ACT without early halting on the last batch, once step by step and once as the applications do."""
    if not case.evaluation:
        return
    model = case.model(case.final)
    batch = case.batch(-1)
    carry: Carry = fill_halted_slots(model, initial_carry(case.config, case.batch_size), batch)
    steps = 0
    while steps == 0 or not carry["halted"].all().item():
        carry, output = act_step(model, carry, model.puzzle_rows(carry["puzzle_identifiers"]), training=False)
        steps += 1
    _, terms = case.loss(output, carry := {**carry, "labels": batch["labels"]})
    metrics = {**answer_sums(output, carry, case.config.halt_max_steps), **terms}
    ours = {"steps": mx.array(steps), **prefixed("outputs", output._asdict()), **prefixed("metrics", metrics)}
    errors.compare("eval/", ours, case.evaluation)

    prediction = Predictor(model)(batch)
    means = score(prediction, batch).means()
    del means["steps"]  # where the model would have halted by itself: the reference does not say
    count = means.pop("count")
    scores = {"count": mx.array(count), **{name: mx.array(mean * count) for name, mean in means.items()}}
    answered = {**prefixed("outputs", prediction._asdict()), **prefixed("metrics", scores)}
    errors.compare("predictor/", answered, {k: v for k, v in case.evaluation.items() if k in answered})


class Errors:
    """The worst error of every quantity so far, in the order in which they came."""

    def __init__(self) -> None:
        self.worst: dict[str, tuple[float, float]] = {}

    def compare(self, prefix: str, ours: Mapping[str, mx.array | None], reference: Arrays) -> None:
        """Compare every quantity of the reference; one that we do not have is infinitely wrong."""
        for name, expected in reference.items():
            tolerance = EXACT if name == "steps" else CARRY.get(name.removeprefix("carry/"), TOLERANCE)
            self._add(prefix + name, relative_error(ours.get(name), expected, expected), tolerance)

    def compare_weights(self, prefix: str, model: HRM, case: Case) -> None:
        for name, array in tree_flatten(model.parameters()):
            final, update = case.final[name], case.final[name] - case.init[name]
            tolerance = FINAL_TOLERANCE if update.any() else EXACT
            self._add(f"{prefix}/{name}", relative_error(array, final, update), tolerance)

    def _add(self, name: str, error: float, tolerance: float) -> None:
        self.worst[name] = (max(error, self.worst.get(name, (0.0, 0.0))[0]), tolerance)

    def report(self) -> int:
        """Print one line a quantity, and return the exit status."""
        width = max(map(len, self.worst))
        failed = 0
        for name, (error, tolerance) in self.worst.items():
            ok = error <= tolerance
            failed += not ok
            print(f"{name:{width}}  {error:8.2e}  {tolerance:7.0e}  {'ok' if ok else 'FAIL'}")
        print(f"{len(self.worst)} quantities, {failed} out of tolerance")
        return 1 if failed else 0


def relative_error(ours: mx.array | None, expected: np.ndarray, scale: np.ndarray) -> float:
    """Return ``|ours - expected| / |scale|``, not divided where the scale is all zeros."""
    if ours is None or ours.shape != expected.shape:
        return np.inf
    difference = np.linalg.norm(np.array(ours).astype(np.float64) - expected.astype(np.float64))
    error = difference / (np.linalg.norm(scale.astype(np.float64)) or 1.0)
    return float(error) if np.isfinite(error) else np.inf


def prefixed(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def only(arrays: Arrays, group: str) -> Arrays:
    return {name: array for name, array in arrays.items() if name.startswith(f"{group}/")}


def without(arrays: Arrays, *groups: str) -> Arrays:
    return {name: array for name, array in arrays.items() if name.split("/")[0] not in groups}


def read_case(path: Path) -> Case:
    """Read and check a case.

    Raises:
        CaseError: If a file is missing or damaged, or does not hold what a case needs.
    """
    arrays, settings_file = read_arrays(path), path.with_suffix(".json")
    try:
        settings = json.loads(settings_file.read_text())
        config = HRMConfig(**settings["config"])
        batch_size, num_steps = int(settings["batch_size"]), int(settings["steps"])
        rates = {name: float(settings["optimizer"][name]) for name in ("lr", "weight_decay", "beta1", "beta2")}
        puzzle_rates = {name: float(settings["puzzle_emb_optimizer"][name]) for name in ("lr", "weight_decay")}
        loss_type = settings["loss_type"]
    except OSError as error:
        raise CaseError(f"{settings_file}: cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise CaseError(f"{settings_file}: has no {error}") from error
    except ValidationError as error:
        raise CaseError(f"{settings_file}: config is not valid: {error}") from error
    except (ValueError, TypeError) as error:
        raise CaseError(f"{settings_file}: is no case's description ({error})") from error
    if loss_type not in ("stablemax_cross_entropy", "softmax_cross_entropy"):
        raise CaseError(f"{settings_file}: loss_type {loss_type!r} is not known")
    if num_steps < 1:
        raise CaseError(f"{settings_file}: steps must be at least 1, but is {num_steps}")

    def group(name: str) -> dict[str, np.ndarray]:
        return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}

    steps = [group(f"step{n}") for n in range(1, num_steps + 1)]
    shapes = {
        "batch/inputs": (batch_size, config.seq_len),
        "batch/labels": (batch_size, config.seq_len),
        "batch/puzzle_identifiers": (batch_size,),
    }
    compared = ["loss", *(f"outputs/{name}" for name in ("logits", "q_halt_logits", "q_continue_logits"))]
    for n, step in enumerate(steps, start=1):
        check_shapes(path, f"step{n}/", step, shapes)
        for key in [*compared, *prefixed("carry", CARRY)]:
            if key not in step:
                raise CaseError(f"{path}: has no step{n}/{key}")
    if not any(only(step, "grad") for step in steps):
        raise CaseError(f"{path}: has no step1/grad/..., nor gradients of another step")
    weights = {name: array.shape for name, array in tree_flatten(HRM(config).parameters())}
    init, final = ({our_name(k): v for k, v in group(name).items()} for name in ("init", "final"))
    for prefix, found in (("init/", init), ("final/", final)):
        check_shapes(path, prefix, found, weights)
        if odd := found.keys() - weights.keys():
            raise CaseError(f"{path}: {prefix}{min(odd)} is no parameter of this configuration")
    renamed = [{our_name_of_gradient(key): array for key, array in step.items()} for step in steps]
    return Case(config, batch_size, loss_type, rates, puzzle_rates, init, final, renamed, group("eval"))


def our_name_of_gradient(key: str) -> str:
    return f"grad/{our_name(key.removeprefix('grad/'))}" if key.startswith("grad/") else key


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return dict(file.items())
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CaseError(f"{path}: is no npz file ({error})") from error


def check_shapes(path: Path, prefix: str, found: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if name not in found:
            raise CaseError(f"{path}: has no {prefix}{name}")
        if found[name].shape != shape:
            raise CaseError(f"{path}: {prefix}{name} should have shape {shape}, but has {found[name].shape}")


if __name__ == "__main__":
    sys.exit(main())
