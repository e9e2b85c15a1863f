"""hrm_train."""
