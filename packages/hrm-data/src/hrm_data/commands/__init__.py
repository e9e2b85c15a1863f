"""The subcommands of `hrm-data`."""
