"""Fetches files of datasets on the Hugging Face hub through its own client."""

from __future__ import annotations

from pathlib import Path

from hrm_data._errors import HRMDataError


def hub_file(repo: str, name: str) -> Path:
    """Return the path of the file `name` of the dataset `repo`, fetched into the hub client's cache if needed.

    The client resumes and checks downloads; it respects `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` and proxies.

    Raises:
        HRMDataError: The client (extra `hub`) is not installed, there is no such dataset or file, or it cannot be
            reached.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise HRMDataError(
            f"{repo} is to come from the Hugging Face hub, but its client is not installed; "
            "pip install 'hrm-data[hub]', or give local copies of the files instead"
        ) from None
    repo = repo.removeprefix("hf://")
    remedy = "give a local copy of the file instead"
    try:
        return Path(hf_hub_download(repo, name, repo_type="dataset"))
    except HFValidationError as error:
        raise HRMDataError(f"{repo!r} is no dataset of the Hugging Face hub: {_line(error)}") from None
    except RepositoryNotFoundError:
        raise HRMDataError(f"the Hugging Face hub shows no dataset {repo!r}; check the name, or {remedy}") from None
    except LocalEntryNotFoundError as error:
        raise HRMDataError(
            f"{name} of {repo} cannot be fetched from the Hugging Face hub and is not in its cache "
            f"({_line(error.__cause__ or error)}); check network, proxy and HF_ENDPOINT, or {remedy}"
        ) from None
    except EntryNotFoundError:
        raise HRMDataError(f"the dataset {repo!r} of the Hugging Face hub has no file {name}; {remedy}") from None
    except Exception as error:  # the client's transport has changed between versions, and its exceptions with it
        raise HRMDataError(
            f"{name} of {repo} cannot be fetched from the Hugging Face hub ({_line(error)}); try again, or {remedy}"
        ) from None


def _line(error: BaseException) -> str:
    """The first line of a message."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
