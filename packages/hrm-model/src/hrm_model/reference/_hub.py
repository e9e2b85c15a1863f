"""Download of published checkpoints of the reference from the Hugging Face hub."""

import re
from pathlib import Path

from hrm_model._errors import HRMModelError
from hrm_model.untrusted import shortened

# The files of a checkpoint. The code in the same repository is not downloaded.
_PATTERNS = ["all_config.yaml", "checkpoint", "step_*", "*.safetensors"]
_LONGEST = 96  # characters of an id, by the rules of the hub
_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"


def hub_id(name: str | Path) -> str | None:
    """Return the id in `hf://owner/name`; None for a path, which is never looked up on the hub.

    Raises:
        HRMModelError: If a name begins with `hf://` and no id follows.
    """
    text = str(name)
    if not text.startswith("hf:/"):  # a Path has one slash only
        return None
    found = text.removeprefix("hf:").lstrip("/")
    if not re.fullmatch(_ID, found, re.ASCII) or len(found) > _LONGEST:
        raise HRMModelError(f"{shortened(name)}: is no repository of the hub; write hf://OWNER/NAME")
    return found


def hub_hint(name: str | Path) -> str:
    """Return how to ask the hub for what is no path but may be meant as an id; empty if it cannot be one."""
    text = str(name)
    if not re.fullmatch(_ID, text, re.ASCII) or len(text) > _LONGEST:
        return ""
    return f"; a repository of the Hugging Face hub is written hf://{text}"


def download_checkpoint(repository: str) -> Path:
    """Download a checkpoint and its configuration into the cache of the hub, unless they are there already.

    Args:
        repository: For example `sapientinc/HRM-checkpoint-sudoku-extreme`.

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
            f"{repository}: downloading needs huggingface_hub, which is not installed; install hrm-model[hub]"
        ) from None
    try:
        return Path(snapshot_download(repository, allow_patterns=_PATTERNS))
    except RepositoryNotFoundError as error:
        raise HRMModelError(f"{repository}: there is no such repository on the hub, or it is private") from error
    except LocalEntryNotFoundError as error:
        raise HRMModelError(
            f"{repository}: the hub cannot be reached and no copy is in its cache; check the network, or download "
            "the files elsewhere and give their directory"
        ) from error
    except (HFValidationError, OSError) as error:
        raise HRMModelError(
            f"{repository}: could not be downloaded ({shortened(' '.join(str(error).split()))})"
        ) from error
