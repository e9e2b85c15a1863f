"""Which of MLX's backends is installed. It does not import MLX, so it also works without a backend."""

import sys
from importlib import metadata

_PACKAGES = ("mlx-metal", "mlx-cpu", "mlx-cuda-12", "mlx-cuda-13")
INSTALL = "pip install 'mlx[cpu]' (or 'mlx[cuda13]', 'mlx[cuda12]' with an NVIDIA card)"


def installed_backends() -> dict[str, str]:
    """Return the installed packages that hold a backend of MLX, with their versions."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def import_problem() -> str:
    """Return why MLX cannot be imported and the remedy, or an empty string."""
    try:
        import mlx.core  # noqa: F401
    except ImportError as error:
        if sys.platform == "linux" and not installed_backends():
            return f"MLX has no backend here: on Linux the package mlx brings none. Remedy: {INSTALL}."
        return f"MLX cannot be imported ({error}). Remedy: pip install --force-reinstall mlx, on Linux {INSTALL}."
    return ""


def package_problem() -> str:
    """Return what is wrong with the set of installed packages and the remedy, or an empty string."""
    found = installed_backends()
    if len(found) > 1:
        return (
            f"{' and '.join(found)} are both installed and overwrite each other's files. "
            f"Remedy: pip uninstall --yes {' '.join(found)}, then {INSTALL}."
        )
    for name, version in found.items():
        if version != metadata.version("mlx"):
            return (
                f"mlx is {metadata.version('mlx')} but {name} is {version}. "
                f"Remedy: pip install 'mlx=={metadata.version('mlx')}' '{name}=={metadata.version('mlx')}'."
            )
    return ""
