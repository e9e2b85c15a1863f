"""Transformer operations for MLX: attention, rotary positions, norms, gated units, initialisers."""

from hrm_ops.doctor._backend import import_problem
from hrm_ops.doctor._diagnose import Diagnosis, diagnose

if _problem := import_problem():

    def __getattr__(name: str) -> object:
        """Raise on first use rather than on import, so that `python -m hrm_ops` can report what is missing."""
        raise (AttributeError if name.startswith("__") else ImportError)(f"hrm_ops.{name} needs MLX. {_problem}")
else:
    from hrm_ops.linux import Patch, apply_patches, patches

    apply_patches()

    from hrm_ops._attention._attention import AttentionBackend, attention, attention_backend
    from hrm_ops._attention._cache import KVCache
    from hrm_ops._attention._layer import Attention
    from hrm_ops._block._block import TransformerBlock
    from hrm_ops._block._means import GroupMeans, PlaneMean
    from hrm_ops._block._residual import post_norm
    from hrm_ops._block._transformer import MinimalTransformer
    from hrm_ops._errors import HRMOpsError
    from hrm_ops._fork import check_process
    from hrm_ops._init import lecun_normal, truncated_normal
    from hrm_ops._layers import Embedding, Linear
    from hrm_ops._norm import RMSNorm, rms_norm
    from hrm_ops._rope import apply_rope, grid_rope_tables, rope, rope_tables
    from hrm_ops._stablemax import log_stablemax, stablemax, stablemax_score
    from hrm_ops._swiglu import SwiGLU, swiglu, swiglu_width
    from hrm_ops._threads import from_any_thread
    from hrm_ops.doctor._device import DeviceInfo, device_info
    from hrm_ops.linux._blas import BlasInfo, BlasWarning, blas_info, blas_threads
    from hrm_ops.linux._compiler import KernelInfo, KernelWarning, compilers_spared, prepare_kernels
    from hrm_ops.linux._failure import explain_mlx_error
    from hrm_ops.linux._folder import temporary_directory_problem
    from hrm_ops.linux._kernels import uncompiled
    from hrm_ops.linux._lanes import lane_threads, lanes, share_cores
    from hrm_ops.linux.native._sums import without_gradient

__all__ = [
    "Attention",
    "AttentionBackend",
    "BlasInfo",
    "BlasWarning",
    "DeviceInfo",
    "Diagnosis",
    "Embedding",
    "GroupMeans",
    "HRMOpsError",
    "KVCache",
    "KernelInfo",
    "KernelWarning",
    "Linear",
    "MinimalTransformer",
    "Patch",
    "PlaneMean",
    "RMSNorm",
    "SwiGLU",
    "TransformerBlock",
    "apply_rope",
    "attention",
    "attention_backend",
    "blas_info",
    "blas_threads",
    "check_process",
    "compilers_spared",
    "device_info",
    "diagnose",
    "explain_mlx_error",
    "from_any_thread",
    "grid_rope_tables",
    "lane_threads",
    "lanes",
    "lecun_normal",
    "log_stablemax",
    "patches",
    "post_norm",
    "prepare_kernels",
    "rms_norm",
    "rope",
    "rope_tables",
    "share_cores",
    "stablemax",
    "stablemax_score",
    "swiglu",
    "swiglu_width",
    "temporary_directory_problem",
    "truncated_normal",
    "uncompiled",
    "without_gradient",
]
