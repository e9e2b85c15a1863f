class HRMTrainError(Exception):
    """Base class of every error that hrm_train raises."""
