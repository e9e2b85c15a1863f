"""Download of published checkpoints of the reference from the Hugging Face hub."""

import re
from pathlib import Path

from hrm_model._errors import HRMModelError

# The files of a checkpoint. The code in the same repository is not downloaded.
_PATTERNS = ["all_config.yaml", "checkpoint", "step_*", "*.safetensors"]


def is_hub_id(name: str) -> bool:
    """Return whether a name has the form `owner/repository` and is not a path that exists."""
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name)) and not Path(name).exists()


def download_checkpoint(hub_id: str) -> Path:
    """Download a checkpoint and its configuration into the cache of the hub, unless they are there already.

    Args:
        hub_id: For example `sapientinc/HRM-checkpoint-sudoku-extreme`.

    Returns:
        The directory with the files.

    Raises:
        HRMModelError: If the hub cannot be reached, it has no such repository, or `huggingface_hub` is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise HRMModelError(
            f"{hub_id}: downloading needs huggingface_hub, which is not installed; install hrm-model[hub]"
        ) from None
    try:
        return Path(snapshot_download(hub_id, allow_patterns=_PATTERNS))
    except RepositoryNotFoundError as error:
        raise HRMModelError(f"{hub_id}: there is no such repository on the hub, or it is private") from error
    except LocalEntryNotFoundError as error:
        raise HRMModelError(
            f"{hub_id}: the hub cannot be reached and no copy is in its cache; check the network, or download "
            "the files elsewhere and give their directory"
        ) from error
    except (HFValidationError, OSError) as error:
        raise HRMModelError(f"{hub_id}: could not be downloaded ({' '.join(str(error).split())[:300]})") from error
