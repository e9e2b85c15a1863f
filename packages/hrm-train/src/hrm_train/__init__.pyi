from ._checkpoint import (
    Progress,
    Snapshot,
    checkpoints,
    load_checkpoint,
    load_checkpoint_model,
    save_checkpoint,
    saved_settings,
    step_of,
)
from ._choices import LossType, WandbMode
from ._config import TrainConfig
from ._errors import DamagedCheckpointError, HRMTrainError, InterruptedRunError, RunInUseError
from ._files import new_directory
from ._gradients import loss_and_gradients
from ._loop import as_arrays, make_train_step, train
from ._losses import IGNORE_LABEL, act_loss, cross_entropy
from ._optimizers import AdamAtan2, SparseSignSGD
from ._protocols import BatchSource, Callback, Report
from ._ranks import Ranks
from ._run import RunDirectory
from ._schedule import cosine_with_warmup
from ._step import TrainStep
from ._wandb import wandb_callbacks

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
    "cosine_with_warmup",
    "cross_entropy",
    "load_checkpoint",
    "load_checkpoint_model",
    "loss_and_gradients",
    "make_train_step",
    "new_directory",
    "save_checkpoint",
    "saved_settings",
    "step_of",
    "train",
    "wandb_callbacks",
]
