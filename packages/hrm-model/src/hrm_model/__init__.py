"""hrm_model."""
