from ._dihedral import DihedralAugment, dihedral, undo_dihedral
from ._symmetry import relabelling

__all__ = ["DihedralAugment", "dihedral", "relabelling", "undo_dihedral"]
