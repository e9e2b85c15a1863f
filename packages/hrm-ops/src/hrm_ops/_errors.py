class HRMOpsError(ValueError):
    """Base class of every error that hrm_ops raises for a wrong argument."""
