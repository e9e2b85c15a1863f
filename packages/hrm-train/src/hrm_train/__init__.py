"""Training of the Hierarchical Reasoning Model: losses, optimisers, compiled step, loop, checkpoints."""

from hrm_train._checkpoint import (
    Progress,
    Snapshot,
    checkpoints,
    load_checkpoint,
    load_checkpoint_model,
    save_checkpoint,
    step_of,
)
from hrm_train._compiler import compile_problem
from hrm_train._config import TrainConfig
from hrm_train._errors import DamagedCheckpointError, HRMTrainError, RunInUseError
from hrm_train._files import new_directory
from hrm_train._gradients import loss_and_gradients
from hrm_train._loop import InterruptedRunError, as_arrays, make_train_step, train
from hrm_train._losses import IGNORE_LABEL, LossType, act_loss, cross_entropy
from hrm_train._optimizers import AdamAtan2, SparseSignSGD
from hrm_train._protocols import BatchSource, Callback, Report
from hrm_train._ranks import Ranks
from hrm_train._run import RunDirectory
from hrm_train._schedule import cosine_with_warmup
from hrm_train._step import TrainStep
from hrm_train._wandb import WandbMode, wandb_callbacks

__all__ = [
    "IGNORE_LABEL",
    "AdamAtan2",
    "BatchSource",
    "Callback",
    "DamagedCheckpointError",
    "HRMTrainError",
    "InterruptedRunError",
    "LossType",
    "Progress",
    "Ranks",
    "Report",
    "RunDirectory",
    "RunInUseError",
    "Snapshot",
    "SparseSignSGD",
    "TrainConfig",
    "TrainStep",
    "WandbMode",
    "act_loss",
    "as_arrays",
    "checkpoints",
    "compile_problem",
    "cosine_with_warmup",
    "cross_entropy",
    "load_checkpoint",
    "load_checkpoint_model",
    "loss_and_gradients",
    "make_train_step",
    "new_directory",
    "save_checkpoint",
    "step_of",
    "train",
    "wandb_callbacks",
]
