import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from hrm_data import SudokuOptions
from hrm_model import ArchConfig, HRMConfig
from hrm_train import TrainConfig
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hrm_trainer._errors import UserError
from hrm_trainer._presets import DEFAULT_PRESETS, PRESETS, PresetName

FORMAT = 1
_NOT_SETTINGS = ("format", "task")
_FROM_THE_DATA = HRMConfig.model_fields.keys() - ArchConfig.model_fields.keys()


class DataSettings(SudokuOptions):
    """The puzzles that a run learns from."""

    hints: float = Field(0.0, ge=0, le=1, description="Share of training puzzles that get some clues back.")


class TrainerSettings(BaseSettings):
    """Train a Hierarchical Reasoning Model.

    Where a setting comes from, first match: command line, --config file, preset.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", nested_model_default_partial_update=True)

    dataset: Literal["sudoku"] = Field("sudoku", description="What to learn.")
    preset: PresetName = Field("auto", description="Set of defaults; auto follows the device.")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="Where to compute.")
    data_path: Path | None = Field(None, description="Dataset directory to use instead of a generated one.")
    runs: Path = Field(Path("runs"), description="Where run directories are made.")
    config: Path | None = Field(None, description="JSON or YAML file with settings, a run's config.json for one.")
    resume: str | None = Field(None, description="Go on with a run: its directory, or nothing for the newest.")
    data: DataSettings = DataSettings()
    arch: ArchConfig = ArchConfig()
    train: TrainConfig = TrainConfig()

    gpu_available: ClassVar[bool] = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take settings from the command line, then the file, then the preset; never from the environment."""
        return init_settings, _FileSource(settings_cls), _PresetSource(settings_cls)


class _Source(PydanticBaseSettingsSource):
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: these sources give all their values at once."""
        raise NotImplementedError


class _FileSource(_Source):
    def __call__(self) -> dict[str, Any]:
        """Return the content of the file that --config names."""
        path = self.current_state.get("config")
        return read_settings_file(Path(path)) if path else {}


class _PresetSource(_Source):
    def __call__(self) -> dict[str, Any]:
        """Return the values of the preset that was asked for or that suits the device."""
        name = self.current_state.get("preset", "auto")
        if name == "auto":
            device = self.current_state.get("device", "auto")
            on_gpu = TrainerSettings.gpu_available if device == "auto" else device == "gpu"
            name = DEFAULT_PRESETS["gpu" if on_gpu else "cpu"]
        if name not in PRESETS:
            return {}  # validation names the field and what is allowed
        return {**PRESETS[name].settings, "preset": name}


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the settings in a JSON or YAML file; a run's ``config.json`` is one.

    Raises:
        UserError: If the file is missing, has another suffix, or holds no mapping.
    """
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise UserError(f"--config {path}: the name should end in .json, .yaml or .yml")
    try:
        text = path.read_text()
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read ({error.strerror})") from error
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"--config {path}: is not valid {path.suffix[1:].upper()} ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"--config {path}: should hold a mapping of settings, but holds {content!r}")
    if "arch" in content and isinstance(content["arch"], dict):
        content["arch"] = {k: v for k, v in content["arch"].items() if k not in _FROM_THE_DATA}
    return {k: v for k, v in content.items() if k not in _NOT_SETTINGS}
