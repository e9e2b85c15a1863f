"""The Hierarchical Reasoning Model (arXiv 2506.21734) for MLX."""

from hrm_model._act import (
    ACTOutput,
    Batch,
    Carry,
    act_step,
    fill_halted_slots,
    halting,
    initial_carry,
    least_steps,
    slots,
)
from hrm_model._config import ArchConfig, HRMConfig
from hrm_model._continuous import Answer, ContinuousPredictor, Thought
from hrm_model._errors import HRMModelError
from hrm_model._halting import HaltingRule
from hrm_model._hub import download_checkpoint, is_hub_id
from hrm_model._inference import Prediction, Predictor
from hrm_model._model import HRM, HRMOutput, ReasoningModule
from hrm_model._quantize import Quantization, quantize
from hrm_model._reference import (
    find_reference,
    load_reference,
    our_name,
    read_reference_config,
    reference_config,
    reference_name,
    save_reference_weights,
)
from hrm_model._score import Score, score
from hrm_model._weights import load_model, save_weights

__all__ = [
    "HRM",
    "ACTOutput",
    "Answer",
    "ArchConfig",
    "Batch",
    "Carry",
    "ContinuousPredictor",
    "HRMConfig",
    "HRMModelError",
    "HRMOutput",
    "HaltingRule",
    "Prediction",
    "Predictor",
    "Quantization",
    "ReasoningModule",
    "Score",
    "Thought",
    "act_step",
    "download_checkpoint",
    "fill_halted_slots",
    "find_reference",
    "halting",
    "initial_carry",
    "is_hub_id",
    "least_steps",
    "load_model",
    "load_reference",
    "our_name",
    "quantize",
    "read_reference_config",
    "reference_config",
    "reference_name",
    "save_reference_weights",
    "save_weights",
    "score",
    "slots",
]
