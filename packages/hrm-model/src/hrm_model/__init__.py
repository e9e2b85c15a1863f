"""The Hierarchical Reasoning Model (arXiv 2506.21734) for MLX."""

from hrm_model._act import ACTOutput, Batch, Carry, act_step, fill_halted_slots, halting, initial_carry
from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM, HRMOutput, ReasoningModule

__all__ = [
    "HRM",
    "ACTOutput",
    "Batch",
    "Carry",
    "HRMConfig",
    "HRMModelError",
    "HRMOutput",
    "ReasoningModule",
    "act_step",
    "fill_halted_slots",
    "halting",
    "initial_carry",
]
