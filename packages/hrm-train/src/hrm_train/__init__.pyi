from ._choices import LossType, WandbMode
from ._config import TrainConfig
from ._errors import (
    DamagedCheckpointError,
    HRMTrainError,
    InterruptedRunError,
    MissingCheckpointError,
    RunInUseError,
)
from ._files import replacement
from .checkpoint._checkpoint import Position, checkpoints, step_of
from .checkpoint._load import load_checkpoint, load_checkpoint_model, saved_settings
from .checkpoint._snapshot import Snapshot, save_checkpoint
from .ranks._ranks import Ranks
from .run._batches import BatchSource, as_arrays
from .run._callbacks import Callback, Report
from .run._directory import RunDirectory
from .run._duration import step_seconds
from .run._loop import train
from .run._wandb import wandb_callbacks
from .step._gradients import loss_and_gradients
from .step._losses import IGNORE_LABEL, LossFunction, act_loss, cross_entropy
from .step._optimizers import AdamAtan2, SparseSignSGD
from .step._schedule import cosine_with_warmup
from .step._step import TrainStep, make_train_step

__all__ = [
    "IGNORE_LABEL",
    "AdamAtan2",
    "BatchSource",
    "Callback",
    "DamagedCheckpointError",
    "HRMTrainError",
    "InterruptedRunError",
    "LossFunction",
    "LossType",
    "MissingCheckpointError",
    "Position",
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
    "replacement",
    "save_checkpoint",
    "saved_settings",
    "step_of",
    "step_seconds",
    "train",
    "wandb_callbacks",
]
