from ._read import splits_of
from ._verify import Findings, find_faults

__all__ = ["Findings", "find_faults", "splits_of"]
