"""The exception of hrm_model."""


class HRMModelError(ValueError):
    """Base class of every error that hrm_model raises for wrong input."""
