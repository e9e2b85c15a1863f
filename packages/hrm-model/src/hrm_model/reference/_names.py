"""Names of parameters in `HRM`, and in the files of the reference and of its relatives."""

PREFIX = "model.inner."

# What PyTorch's wrappers add: torch.compile and data parallelism.
_WRAPPERS = ("_orig_mod", "module")
# nano-trm, a port of the Tiny Recursive Model, has names of its own.
_NANO = {"input_embedding": "embed_tokens", "lenet": "L_level", "z_H_init": "H_init", "z_L_init": "L_init"}


def reference_name(name: str) -> str:
    """Return the reference's name of a parameter of `HRM`, such as `model.inner.puzzle_emb.weights`."""
    for ours, theirs in (("embed_tokens", "embedding_weight"), ("embed_pos", "embedding_weight")):
        name = name.replace(f"{ours}.weight", f"{ours}.{theirs}")
    return PREFIX + name.replace("puzzle_emb.weight", "puzzle_emb.weights")


def our_name(name: str) -> str:
    """Return the name in `HRM` of a parameter of the reference or a relative, without what PyTorch's wrappers add."""
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    while len(parts) > 1 and parts[0] in ("model", "inner"):
        del parts[0]
    parts[:1] = [_NANO.get(part, part) for part in parts[:1]]
    return ".".join(parts).replace("embedding_weight", "weight").replace("puzzle_emb.weights", "puzzle_emb.weight")
