from ._atomic import claimed, new_directory
from ._read import splits_of
from ._verify import Findings, find_faults

__all__ = ["Findings", "claimed", "find_faults", "new_directory", "splits_of"]
