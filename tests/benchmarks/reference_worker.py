"""Holds the PyTorch implementation of a checkout, and takes a training step or answers a batch when told to.

Not to be called by hand: `reference.py` starts it, with a Python that needs torch and pydantic only. It reads a job as
a line of JSON, then `"work"` or `"memory"`, and answers each with a line.

A step is the checkout's own: its model with its loss, backward, both optimisers, the metrics read back. Where
FlashAttention or adam_atan2 are missing, or there is no CUDA for them, torch's scaled_dot_product_attention and the
Adam-atan2 below take their places in `sys.modules`, in this process only.
"""

import importlib
import json
import os
import resource
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

LR, WEIGHT_DECAY, BETAS = 1e-4, 1.0, (0.9, 0.95)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed is not an answer
    try:
        worker = Worker(json.loads(sys.stdin.readline()))
        worker.work()  # torch.compile, and the first use of everything
    except Exception as error:
        print(json.dumps({"error": f"{sys.executable}: {type(error).__name__}: {error}"}), file=answers, flush=True)
        return
    print(json.dumps({"name": worker.name}), file=answers, flush=True)
    for line in sys.stdin:
        if json.loads(line) == "memory":
            print(json.dumps({"memory": worker.memory()}), file=answers, flush=True)
            continue
        worker.wait()
        start = time.perf_counter()
        worker.work()
        worker.wait()
        print(json.dumps({"seconds": time.perf_counter() - start}), file=answers, flush=True)


class Worker:
    """The model of a job, on CUDA where there is one."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch

        self.torch, self.device = torch, torch.device("cuda" if torch.cuda.is_available() else "cpu")
        compiled = job["compile"]  # as the reference trains
        self.name = f"PyTorch {torch.__version__} on {self.device}{' compiled' if compiled else ''}"
        torch.manual_seed(0)
        torch.set_num_threads(job["threads"])
        half = job["config"]["forward_dtype"] == "bfloat16" and self.device.type == "cuda"
        provide("flash_attn_interface", "flash_attn", flash_attn_func=attend, usable=half)
        provide("adam_atan2", AdamATan2=adam_atan2(), usable=self.device.type == "cuda")

        sys.path.insert(0, job["checkout"])
        act, losses, tables = (
            importlib.import_module(f"models.{name}") for name in ("hrm.hrm_act_v1", "losses", "sparse_embedding")
        )
        self.before = resident_peak()
        with self.device:
            model = act.HierarchicalReasoningModel_ACTV1(job["config"])
            head = losses.ACTLossHead(model, loss_type="stablemax_cross_entropy")
        self.batch = {
            name: torch.tensor(rows, dtype=torch.int32, device=self.device) for name, rows in job["batch"].items()
        }
        if job["training"]:
            self.model = torch.compile(head, dynamic=False) if compiled else head
            dense = importlib.import_module("adam_atan2").AdamATan2
            table = tables.CastedSparseEmbeddingSignSGD_Distributed
            self.optimizers = [
                table(model.puzzle_emb.buffers(), lr=LR, weight_decay=WEIGHT_DECAY, world_size=1),
                dense(head.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, betas=BETAS),
            ]
            self.carry = self.empty(head)
            self.work: Callable[[], object] = self.train
        else:
            model.eval()
            self.model = torch.compile(model, dynamic=False) if compiled else model
            self.work = self.answer

    def train(self) -> list[float]:
        """Take a step."""
        self.carry, loss, metrics, _, _ = self.model(carry=self.carry, batch=self.batch, return_keys=[])
        (loss / len(self.batch["inputs"])).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return self.torch.stack([metrics[name] for name in sorted(metrics)]).tolist()

    def answer(self) -> Any:
        """Answer the batch, without the loss that the reference's evaluation computes as well."""
        with self.torch.inference_mode():
            carry = self.empty(self.model)
            while True:
                carry, outputs = self.model(carry=carry, batch=self.batch)
                if carry.halted.all():
                    return outputs["logits"].argmax(-1).tolist()

    def empty(self, model: Any) -> Any:
        with self.device:
            return model.initial_carry(self.batch)

    def wait(self) -> None:
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def memory(self) -> str:
        said = f"{resident_peak():.0f} MiB resident, {self.before:.0f} of them before the model"
        if self.device.type == "cuda":
            return f"{self.torch.cuda.max_memory_allocated() / 2**20:.0f} MiB, {said}"
        return said


def provide(*names: str, usable: bool, **members: Any) -> None:
    """Put members into a module of the first of these names, unless one of the names can be used."""
    for name in names if usable else ():
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return
    module = types.ModuleType(names[0])
    module.__dict__.update(members)
    sys.modules[names[0]] = module


def attend(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    """Attention of ``[B, L, heads, D]``, as FlashAttention takes and gives it."""
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).contiguous()


def adam_atan2() -> type:
    """Adam-atan2 in plain torch, in place."""
    import torch

    class AdamATan2(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
            super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

        @torch.no_grad()
        def step(self) -> None:  # type: ignore[override]
            for group in self.param_groups:
                (b1, b2), lr = group["betas"], group["lr"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if not state:
                        state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                    state["step"] += 1
                    m, v = state["m"].lerp_(p.grad, 1 - b1), state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                    root = v.sqrt().div_((1 - b2 ** state["step"]) ** 0.5)
                    p.mul_(1 - lr * group["weight_decay"])
                    p.sub_(torch.atan2(m, root, out=root), alpha=lr / (1 - b1 ** state["step"]))

    return AdamATan2


def resident_peak() -> float:
    """Most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")  # ru_maxrss of Linux takes over that of the parent
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
