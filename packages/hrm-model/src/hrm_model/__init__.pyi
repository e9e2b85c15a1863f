from ._act import (
    ACTOutput,
    Batch,
    Carry,
    act_step,
    fill_halted_slots,
    initial_carry,
    slots,
)
from ._compiled import CompiledSteps
from ._config import ArchConfig, HRMConfig
from ._errors import HRMModelError
from ._geometry import GeometryConfig
from ._halting import HaltingRule, halting, least_steps
from ._metrics import Score, score, score_answer
from ._model import HRM, HRMOutput, ReasoningModule
from ._size import ModelSize, check_memory, model_size
from .inference._answer import Answer, Thought
from .inference._commit import Commit
from .inference._continuous import ContinuousPredictor
from .inference._noise import Noise
from .inference._predictor import Prediction, Predictor
from .reference._config_file import config_path, read_reference_config
from .reference._convert import find_reference, load_reference
from .reference._export import reference_config, save_reference_weights
from .reference._hub import download_checkpoint, hub_hint, hub_id
from .reference._names import our_name, reference_name
from .weights._quantize import Quantization, dequantized, quantize
from .weights._resize import resized
from .weights._safetensors import read_safetensors, refuse_not_finite
from .weights._weights import load_model, save_weights, weights_metadata

__all__ = [
    "HRM",
    "ACTOutput",
    "Answer",
    "ArchConfig",
    "Batch",
    "Carry",
    "Commit",
    "CompiledSteps",
    "ContinuousPredictor",
    "GeometryConfig",
    "HRMConfig",
    "HRMModelError",
    "HRMOutput",
    "HaltingRule",
    "ModelSize",
    "Noise",
    "Prediction",
    "Predictor",
    "Quantization",
    "ReasoningModule",
    "Score",
    "Thought",
    "act_step",
    "check_memory",
    "config_path",
    "dequantized",
    "download_checkpoint",
    "fill_halted_slots",
    "find_reference",
    "halting",
    "hub_hint",
    "hub_id",
    "initial_carry",
    "least_steps",
    "load_model",
    "load_reference",
    "model_size",
    "our_name",
    "quantize",
    "read_reference_config",
    "read_safetensors",
    "reference_config",
    "reference_name",
    "refuse_not_finite",
    "resized",
    "save_reference_weights",
    "save_weights",
    "score",
    "score_answer",
    "slots",
    "weights_metadata",
]
