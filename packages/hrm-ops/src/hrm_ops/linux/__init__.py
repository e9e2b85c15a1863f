"""Everything that hrm-ops changes in the process outside itself, and the code that MLX's Linux CPU backend needs."""

from hrm_ops.linux import _blas, _process
from hrm_ops.linux._patches import Patch, enabled, patches

__all__ = ["Patch", "apply_patches", "patches"]


def apply_patches() -> tuple[Patch, ...]:
    """Apply every change that is needed from the start, once; importing `hrm_ops` calls this.

    What compiled functions need is applied later and only where it helps: see `hrm_ops.prepare_kernels`.

    Returns:
        What has been changed in this process so far. Empty with `HRM_OPS_PATCH=0`.
    """
    if enabled():
        _process.multiply_in_float32()
        _process.let_lanes_overlap()
        _process.keep_freed_memory()
        _process.unset_empty_directories()
        _process.keep_cuda_kernels_private()
        _blas.install()
    return patches()
