from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from hrm_data import SudokuOptions
from hrm_model import ArchConfig
from hrm_train import TrainConfig
from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hrm_trainer._file import read_settings_file
from hrm_trainer._presets import DEFAULT_PRESETS, PRESETS, PresetName


def _box(value: Any) -> Any:
    if _numbers(value) != 2:
        raise ValueError("should be two numbers, rows and columns of a box, as in 2,3")
    return value


def _clues(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:  # what the command line makes of one number
        value = value[0]
    if value is not None and _numbers(value) not in (1, 2):
        raise ValueError("should be a number of clues, or the least and the most, as in 4,6")
    return value


def _numbers(value: Any) -> int:
    """How many whole numbers a value holds, alone or in a list; 0 if it holds anything else."""
    items = value if isinstance(value, list | tuple) else [value]
    return len(items) if all(str(item).isdecimal() for item in items) else 0


Puzzles = Annotated[int, Field(ge=1, le=10**9)]


class DataSettings(SudokuOptions):
    """The puzzles that a run learns from."""

    model_config = ConfigDict(allow_inf_nan=False)

    box: Annotated[tuple[int, int], BeforeValidator(_box)] = Field((3, 3), description="Rows and columns of a box.")
    train: Puzzles | None = Field(None, description="Training puzzles (generated: 1000, CSV: all).")
    test: Puzzles | None = Field(None, description="Held-out puzzles (generated: 1000, CSV: all).")
    clues: Annotated[int | tuple[int, int] | None, BeforeValidator(_clues)] = Field(
        None, description="Clues of generated puzzles, or the least and the most."
    )
    test_clues: Annotated[int | tuple[int, int] | None, BeforeValidator(_clues)] = Field(
        None, description="Clues of generated test puzzles, or the least and the most; goes with test_kind."
    )
    hints: float = Field(0.0, ge=0, le=1, description="Share of training puzzles that get some clues back.")


class TrainerSettings(BaseSettings):
    """Train a Hierarchical Reasoning Model and leave the result in a new directory under runs/."""

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

    @model_validator(mode="before")
    @classmethod
    def _name_the_preset(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "preset": _preset_name(values)}

    def changed(self) -> list[str]:
        """Return the settings that differ from the preset's, such as ``train.steps``."""
        preset = type(self)(preset=self.preset)
        return [
            f"{part}.{name}"
            for part in ("data", "arch", "train")
            for name, value in getattr(self, part)
            if value != getattr(getattr(preset, part), name)
        ]


# A preset's difficulty is that of its own board: it does not go with other puzzles.
_DIFFICULTY = {"kind", "clues", "test_kind", "test_clues"}
_OTHER_PUZZLES = {"box", "train_csv", *_DIFFICULTY}


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
        name = _preset_name(self.current_state)
        if not isinstance(name, str) or name not in PRESETS:
            return {}  # validation says what is allowed
        settings = dict(PRESETS[name].settings)
        given = self.current_state.get("data", {})
        if isinstance(given, Mapping) and _OTHER_PUZZLES & given.keys():
            settings["data"] = {k: v for k, v in settings["data"].items() if k not in _DIFFICULTY}
        return settings


def _preset_name(values: Mapping[str, Any]) -> Any:
    """The preset that was asked for, or the one that suits the device."""
    name = values.get("preset", "auto")
    if name != "auto":
        return name
    device = values.get("device", "auto")
    on_gpu = TrainerSettings.gpu_available if device == "auto" else device == "gpu"
    return DEFAULT_PRESETS["gpu" if on_gpu else "cpu"]
