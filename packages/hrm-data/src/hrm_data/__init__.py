"""hrm_data."""
