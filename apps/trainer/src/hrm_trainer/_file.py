import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrm_model import ArchConfig, HRMConfig

from hrm_trainer._errors import UserError

FORMAT = 1
_NOT_SETTINGS = ("format", "task", "generated", "data_fingerprint")
_OF_THE_TASK = ("data.", "task.")
_FROM_THE_DATA = HRMConfig.model_fields.keys() - ArchConfig.model_fields.keys()


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the settings in a JSON or YAML file; a run's ``config.json`` is one.

    Raises:
        UserError: If the file is missing, has another suffix, or holds no settings.
    """
    content = _read_mapping(path)
    if content.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"--config {path}: format {content['format']} is not the one that this version reads ({FORMAT}); "
            "upgrade hrm-trainer"
        )
    for name in ("config", "resume"):
        if name in content:
            raise UserError(f"--config {path}: {name} {content[name]}: can only be given on the command line")
    for name in ("data", "arch", "train"):
        if not isinstance(content.get(name, {}), dict):
            raise UserError(f"--config {path}: {name} {content[name]}: should hold a mapping from names to settings")
    for name, value in leaves(content):
        if isinstance(value, bool) and name not in _NOT_SETTINGS and not name.startswith(_OF_THE_TASK):
            raise UserError(f"--config {path}: {name} {value}: no setting is true or false")

    if content.get("generated"):
        content.pop("data_path", None)  # made from the data settings, as it will be again
    if "format" in content and "arch" in content:
        content["arch"] = {k: v for k, v in content["arch"].items() if k not in _FROM_THE_DATA}
    return {k: v for k, v in content.items() if k not in _NOT_SETTINGS}


def read_run_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a run's ``config.json``, with the dataset that it used while that is still there."""
    data_path = _read_mapping(path).get("data_path")
    settings = read_settings_file(path)
    if isinstance(data_path, str) and Path(data_path).exists():
        settings["data_path"] = data_path
    return settings


def _read_mapping(path: Path) -> dict[str, Any]:
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise UserError(f"--config {path}: the name should end in .json, .yaml or .yml")
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _from_yaml(text)
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        problem = " ".join(str(error).split())
        raise UserError(f"--config {path}: is not valid {path.suffix[1:].upper()} ({problem})") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UserError(f"--config {path}: should hold a mapping from names to settings, but holds {content!r}")
    return content


def _from_yaml(text: str) -> Any:
    import yaml  # here, so that no help waits for it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def leaves(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values of nested mappings by their full names, such as ``train.lr``."""
    pairs = []
    for name, value in content.items():
        inner = [(f"{name}.{k}", v) for k, v in leaves(value)] if isinstance(value, Mapping) else [(name, value)]
        pairs += inner
    return pairs
