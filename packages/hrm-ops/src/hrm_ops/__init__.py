"""hrm_ops."""
