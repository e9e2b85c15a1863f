"""Trains a PyTorch model of a checkout on a dataset of ours, and evaluates it at intervals.

Not to be called by hand: `time_to_accuracy.py` starts it, with a Python that has torch, numpy, pydantic, omegaconf,
einops and lazy-loader; nano-trm also needs lightning, hydra-core, scikit-learn and rich. It reads a job as a line of
JSON and writes records, a line of JSON each: `start`, `eval` for each evaluation, and `end` or `error`.

The model, its loss and the optimiser of puzzle embeddings are the checkout's own. Its settings are those that the
checkout publishes for Sudoku, in its configuration files and its README. The batches are those of our loader, with our
augmentation: the symmetries are those of the checkouts' own augmentation, drawn anew for each example.
"""

import dataclasses
import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from reference_worker import adam_atan2, attend, provide

HRM_DATA = Path(__file__).parents[2] / "packages" / "hrm-data" / "src"
EVAL_BATCH = 128
HOPELESS = 0.1  # an evaluation ends with the first batch if the accuracy of that is lower, to save time
SMALL = {"hidden_size": 128, "num_heads": 4}  # the size of the HRM that learns 6x6 Sudoku in minutes on two cores
SMALL_LAYERS = 2
SMALL_BATCH = 64
AVERAGE = 0.999  # decay of the averaged weights in TRM and nano-trm
# Of nano-trm, for boards of so many cells.
EXPERIMENTS = {16: "trm_sudoku_4x4", 36: "trm_sudoku_6x6_medium", 81: "trm_sudoku_extreme_1k_aug_1k"}

Batch = dict[str, Any]
Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of training.

    Attributes:
        batch: Puzzles in a batch.
        lr: Learning rate after the warm-up, which stays constant.
        warmup: Steps over which the learning rate rises.
        weight_decay: Decoupled weight decay.
        averaged: Whether the repository evaluates averaged weights.
    """

    batch: int
    lr: float
    warmup: int
    weight_decay: float
    averaged: bool

    def small(self) -> "Recipe":
        """Return the recipe for the small size: that of our small HRM, which few steps suffice for."""
        return dataclasses.replace(self, batch=SMALL_BATCH, lr=1e-3, warmup=50, weight_decay=0.1)


class Contender(Protocol):
    """A model in training."""

    recipe: Recipe
    module: Any  # holds the parameters

    def loss(self, batch: Batch) -> Any:
        """Take an ACT step of each slot and return the mean loss."""

    def step(self, batch: Batch, done: int) -> None:
        """Take a training step; `done` have been taken before."""

    def answer(self, batch: Batch) -> Any:
        """Return the tokens after the most ACT steps, `[B, L]`."""


class Reference:
    """The PyTorch HRM or TRM, which share their training."""

    def __init__(self, torch: Any, job: Record, metadata: Any) -> None:
        from omegaconf import OmegaConf

        provide("flash_attn_interface", usable=False, flash_attn_func=attend)
        checkout, name, small = Path(job["checkout"]), job["name"], job["size"] == "small"
        common = OmegaConf.load(checkout / "config" / "cfg_pretrain.yaml")
        # Of the READMEs' commands for Sudoku on one GPU.
        if name == "hrm":
            file, asked = "hrm_v1.yaml", Record()
            recipe = Recipe(384, 7e-5, common.lr_warmup_steps, 1.0, averaged=False)
        else:
            file, asked = "trm.yaml", Record(L_layers=2, H_cycles=3, L_cycles=6)
            asked |= {"mlp_t": True, "pos_encodings": "none"} if name == "trm-mlp" else {}
            recipe = Recipe(common.global_batch_size, 1e-4, common.lr_warmup_steps, 1.0, averaged=True)
        if small:
            recipe = recipe.small()
            asked |= {**SMALL, "H_layers": SMALL_LAYERS, "L_layers": SMALL_LAYERS}
        arch = OmegaConf.merge(OmegaConf.load(checkout / "config" / "arch" / file), asked)
        config = dict(OmegaConf.to_container(arch, resolve=True))
        loss = config.pop("loss")
        config |= {
            "batch_size": recipe.batch,
            "vocab_size": metadata.vocab_size,
            "seq_len": metadata.seq_len,
            "num_puzzle_identifiers": metadata.num_puzzle_identifiers,
            "forward_dtype": job["dtype"],
        }

        model = _member(config.pop("name"))(config)
        head = _member(loss.pop("name"))(model, **loss)
        table = importlib.import_module("models.sparse_embedding").CastedSparseEmbeddingSignSGD_Distributed
        self.optimizers = [
            table(model.puzzle_emb.buffers(), lr=0, weight_decay=recipe.weight_decay, world_size=1),
            adam_atan2()(head.parameters(), lr=0, weight_decay=recipe.weight_decay, betas=(common.beta1, common.beta2)),
        ]
        self.torch, self.recipe, self.module = torch, recipe, head
        self.hidden = config["hidden_size"]
        self.head, self.model = (torch.compile(x, dynamic=False) if job["compile"] else x for x in (head, model))
        self.carry: Any = None

    def loss(self, batch: Batch) -> Any:
        if self.carry is None:
            self.carry = self.module.initial_carry(batch)
        self.carry, loss, metrics, _, _ = self.head(carry=self.carry, batch=batch, return_keys=[])
        self.torch.stack([metrics[name] for name in sorted(metrics)]).tolist()
        return loss / self.recipe.batch

    def step(self, batch: Batch, done: int) -> None:
        self.loss(batch).backward()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.lr * min(1.0, (done + 1) / self.recipe.warmup)
            optimizer.step()
            optimizer.zero_grad()

    def answer(self, batch: Batch) -> Any:
        carry = self.module.initial_carry(batch)
        while True:
            carry, outputs = self.model(carry=carry, batch=batch)
            if carry.halted.all():
                return outputs["logits"].argmax(-1)


class NanoTRM:
    """The Lightning module of nano-trm, without a Lightning trainer."""

    def __init__(self, torch: Any, job: Record, metadata: Any) -> None:
        from omegaconf import OmegaConf

        configs = Path(job["checkout"]) / "src" / "nn" / "configs" / "experiment"
        experiment = OmegaConf.load(configs / f"{EXPERIMENTS[metadata.seq_len]}.yaml")
        asked = dict(OmegaConf.to_container(experiment.model_tuning))
        batch = experiment.timekeeping.batch_size
        recipe = Recipe(batch, asked["learning_rate"], asked["warmup_steps"], asked["weight_decay"], averaged=True)
        if job["size"] == "small":
            recipe = recipe.small()
            asked |= {**SMALL, "num_layers": SMALL_LAYERS, "warmup_steps": recipe.warmup}
            asked |= {"learning_rate": recipe.lr, "weight_decay": recipe.weight_decay}
        # AdamW, as its README says: adam_atan2 is not among its dependencies.
        model = importlib.import_module("src.nn.models.trm").TRMModule(
            **asked,
            vocab_size=metadata.vocab_size,
            num_puzzles=metadata.num_puzzle_identifiers,
            batch_size=recipe.batch,
            max_grid_size=round(metadata.seq_len**0.5),
            seq_len=metadata.seq_len,
            pad_value=metadata.pad_id,
            forward_dtype=getattr(torch, job["dtype"]),
        )
        model.log = lambda *_, **__: None  # there is no trainer that keeps metrics
        model.total_steps = float("inf")
        model._optimizers = model.configure_optimizers()
        if job["compile"]:
            model.inner_forward = torch.compile(model.inner_forward, dynamic=False)
        self.recipe, self.module, self.hidden = recipe, model, asked["hidden_size"]

    def loss(self, batch: Batch) -> Any:
        carry = self.module.initial_carry(_renamed(batch))
        return self.module.compute_loss_and_metrics(carry, _renamed(batch))[1] / self.recipe.batch

    def step(self, batch: Batch, done: int) -> None:
        self.module.training_step(_renamed(batch), done)

    def answer(self, batch: Batch) -> Any:
        named = _renamed(batch)
        carry = self.module.initial_carry(named)
        while True:
            carry, outputs = self.module(carry, named)
            if carry.halted.all():
                return outputs["logits"].argmax(-1)


class Average:
    """The running average of the parameters."""

    def __init__(self, torch: Any, module: Any) -> None:
        self.torch, self.module = torch, module
        self.values = [p.detach().clone() for p in module.parameters()]

    def update(self) -> None:
        """Move it towards the parameters."""
        with self.torch.no_grad():
            for value, p in zip(self.values, self.module.parameters(), strict=True):
                value.lerp_(p, 1 - AVERAGE)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let the parameters be the average in this block."""
        trained = [p.detach().clone() for p in self.module.parameters()]
        self._set(self.values)
        yield
        self._set(trained)

    def _set(self, values: list[Any]) -> None:
        with self.torch.no_grad():
            for p, value in zip(self.module.parameters(), values, strict=True):
                p.copy_(value)


def main() -> None:
    records = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed is no record
    warnings.filterwarnings("ignore")
    try:
        for record in train(json.loads(sys.stdin.readline())):
            print(json.dumps(record), file=records, flush=True)
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps({"kind": "error", "message": said}), file=records, flush=True)
        raise


def train(job: Record) -> Iterator[Record]:
    """Train until the cap or the target, and yield records on the way."""
    import torch

    torch.manual_seed(job["seed"])
    torch.set_num_threads(job["threads"])
    sys.path[:0] = [job["checkout"], str(HRM_DATA)]
    from hrm_data import TestLoader, TrainLoader, open_dataset
    from hrm_data.sudoku import SudokuTask

    data, held_out = (open_dataset(job["data"], split) for split in ("train", "test"))
    task = SudokuTask(SudokuTask.LENGTHS[data.metadata.seq_len])
    contender: Any = (NanoTRM if job["name"] == "nano-trm" else Reference)(torch, job, data.metadata)
    recipe, module = contender.recipe, contender.module
    loader = TrainLoader(data, recipe.batch, seed=job["seed"], augment=task.augment(hints=job["hints"]))
    tests = [_tensors(torch, batch) for batch in TestLoader(held_out, min(EVAL_BATCH, held_out.examples))]

    # The first use of everything, torch.compile included, is not counted.
    module.train()
    contender.loss(_tensors(torch, loader.batch_at(0))).backward()
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.grad = None
    contender.carry = None
    if job["compile"]:
        exact(torch, contender, tests[:1])
    average = Average(torch, module) if recipe.averaged else None

    yield {
        "kind": "start",
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in module.parameters()),
        "hidden": contender.hidden,
        **dataclasses.asdict(recipe),
    }
    step, seconds, due, best = 0, 0.0, job["interval"], 0.0
    while seconds < job["cap"] and best < job["target"]:
        start = time.perf_counter()
        contender.step(_tensors(torch, next(loader)), step)
        if average:
            average.update()
        seconds += time.perf_counter() - start
        step += 1
        if seconds >= min(due, job["cap"]):
            due = seconds + job["interval"]
            accuracy, weights = evaluate(torch, contender, average, tests)
            best = max(best, accuracy)
            yield {"kind": "eval", "step": step, "seconds": seconds, "exact_accuracy": accuracy, "weights": weights}
    yield {"kind": "end", "step": step, "seconds": seconds}


def evaluate(torch: Any, contender: Contender, average: Average | None, batches: list[Batch]) -> tuple[float, str]:
    """Return the accuracy of those weights, trained or averaged, that answer more of the first batch, and which."""
    if average is None:
        return exact(torch, contender, batches), "trained"
    trained = exact(torch, contender, batches[:1])
    with average.used():
        averaged = exact(torch, contender, batches[:1])
        if averaged > trained:
            return exact(torch, contender, batches), "averaged"
    return exact(torch, contender, batches), "trained"


def exact(torch: Any, contender: Contender, batches: list[Batch]) -> float:
    """Return the share of held-out puzzles with every cell right, after the most ACT steps.

    It is the share of the first batch if that is below `HOPELESS`.
    """
    contender.module.eval()
    right = count = 0
    with torch.inference_mode():
        for batch in batches:
            labels = batch["labels"]
            asked = (labels >= 0).any(1)  # not those that fill up the last batch
            right += int((asked & ((contender.answer(batch) == labels) | (labels < 0)).all(1)).sum())
            count += int(asked.sum())
            if right < HOPELESS * count:
                break
    contender.module.train()
    return right / count


def _tensors(torch: Any, batch: Batch) -> Batch:
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def _renamed(batch: Batch) -> Batch:
    names = {"inputs": "input", "labels": "output"}
    return {names.get(name, name): tensor for name, tensor in batch.items()}


def _member(name: str) -> Any:
    """Return what a configuration names, such as `losses@ACTLossHead`."""
    module, member = name.split("@")
    return getattr(importlib.import_module(f"models.{module}"), member)


if __name__ == "__main__":
    main()
