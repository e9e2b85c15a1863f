"""Transformer operations for MLX: attention, rotary positions, norms, gated units, initialisers."""

from hrm_ops._backend import import_problem
from hrm_ops._doctor import Diagnosis, diagnose

if _problem := import_problem():

    def __getattr__(name: str) -> object:
        """Say what is missing when something is used, not on import: ``python -m hrm_ops`` has to report it."""
        raise (AttributeError if name.startswith("__") else ImportError)(f"hrm_ops.{name} needs MLX. {_problem}")
else:
    from hrm_ops._arctan2 import arctan2
    from hrm_ops._attention import AttentionBackend, attention, attention_backend
    from hrm_ops._attention_layer import Attention
    from hrm_ops._blas import BlasInfo, BlasWarning, blas_info, blas_threads
    from hrm_ops._block import TransformerBlock
    from hrm_ops._device import DeviceInfo, device_info
    from hrm_ops._errors import HRMOpsError
    from hrm_ops._gxx import let_kernels_compile as _let_kernels_compile
    from hrm_ops._init import lecun_normal, truncated_normal
    from hrm_ops._lanes import lane_threads, lanes, share_cores
    from hrm_ops._layers import Embedding, Linear
    from hrm_ops._norm import RMSNorm, rms_norm
    from hrm_ops._rope import apply_rope, rope, rope_tables
    from hrm_ops._stablemax import log_stablemax, stablemax, stablemax_score
    from hrm_ops._swiglu import SwiGLU, swiglu, swiglu_width
    from hrm_ops._transformer import MinimalTransformer

    _let_kernels_compile()

__all__ = [
    "Attention",
    "AttentionBackend",
    "BlasInfo",
    "BlasWarning",
    "DeviceInfo",
    "Diagnosis",
    "Embedding",
    "HRMOpsError",
    "Linear",
    "MinimalTransformer",
    "RMSNorm",
    "SwiGLU",
    "TransformerBlock",
    "apply_rope",
    "arctan2",
    "attention",
    "attention_backend",
    "blas_info",
    "blas_threads",
    "device_info",
    "diagnose",
    "lane_threads",
    "lanes",
    "lecun_normal",
    "log_stablemax",
    "rms_norm",
    "rope",
    "rope_tables",
    "share_cores",
    "stablemax",
    "stablemax_score",
    "swiglu",
    "swiglu_width",
    "truncated_normal",
]
