"""A run from its first step to its last: the loop, its reports, and its directory."""
