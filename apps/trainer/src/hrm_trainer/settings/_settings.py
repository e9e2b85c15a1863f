"""The settings of a training: data, model, training, and where they come from when they are not given."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from hrm_data import HRMDataError, TaskFamily, describe_task, get_family
from hrm_data.command_line import CommandError, merge
from hrm_data.task import read_task
from hrm_data.untrusted import at_most
from hrm_model import ArchConfig
from hrm_train import TrainConfig, WandbMode
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from hrm_trainer.settings._length import LENGTH, fitted
from hrm_trainer.settings._presets import get_preset, preset_names

DEFAULT_DATASET = "sudoku"
NEWEST = "newest"  # the run that --resume without a value means


class UndescribedPuzzles(BaseModel):
    """Puzzles without a task have no settings; those that a run once had, when its task was known, are ignored."""

    model_config = ConfigDict(frozen=True)


class TrainerSettings(BaseModel):
    """Train a Hierarchical Reasoning Model and leave the result in a new directory under runs/."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = Field(
        None,
        description=f"Task to learn (without data_path: {DEFAULT_DATASET}), also with a size, such as sudoku-2x3.",
    )
    preset: str = Field(
        "small",
        description="Model, training and puzzles: small learns in minutes on two cores, paper is as published.",
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="Device to compute on.")
    data_path: Path | None = Field(None, description="Dataset directory; without it, a dataset is built.")
    runs: Path = Field(Path("runs"), description="Directory that holds the run directories.")
    config: Path | None = Field(None, description="JSON or YAML file with settings, such as a run's config.json.")
    resume: str | None = Field(None, description="Continue a run: its directory, or no value for the newest.")
    ranks: Annotated[int, at_most(1024, "bounds the processes that are started")] = Field(
        1, ge=1, description="Processes that train together on this machine."
    )
    oversubscribe: bool = Field(False, description="Allow more ranks than this machine has cores.")
    wandb: WandbMode = Field("disabled", description="Reports to Weights & Biases: sent at once, or kept (offline).")
    data: BaseModel = UndescribedPuzzles()
    arch: ArchConfig = ArchConfig()
    train: TrainConfig = TrainConfig()

    family: ClassVar[TaskFamily | None] = None
    _given: frozenset[str] = PrivateAttr(frozenset())  # the settings of training that the user gave

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Choose dataset and preset if none is given, and take the other missing settings from the preset."""
        if values.get("dataset") is None and values.get("data_path") is None:
            values = {**values, "dataset": DEFAULT_DATASET}
        if cls.family is not None and values.get("data_path") is None:
            values = _with_size(values, cls.family)
        values = {"preset": cls.model_fields["preset"].default, **values}
        return with_one_length(values, _preset_settings(values, cls.family))

    @model_validator(mode="wrap")
    @classmethod
    def _remember_what_is_given(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        train = values.get("train") if isinstance(values, Mapping) else None
        settings = handler(values)
        settings._given = frozenset(train) if isinstance(train, Mapping) else frozenset()
        return settings

    def options(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return those data settings that are fields of a model: the family's options, or its augmentation."""
        return {name: getattr(self.data, name) for name in model.model_fields}

    def fitted(self, examples: float) -> Self:
        """Return these settings with the length that they have for `examples` in an epoch, and what belongs to it.

        Raises:
            HRMTrainError: If the epochs make no steps or too many.
        """
        train = fitted(self.train, self._train_of_preset(), self._given, examples)
        settings = self.model_copy(update={"train": train})
        settings._given = frozenset(TrainConfig.model_fields)
        return settings

    def changed(self, examples: float) -> list[str]:
        """Return the settings that differ from the preset's for a run of this length, such as `train.steps`.

        Args:
            examples: Training examples in a pass, from which epochs make steps.
        """
        preset = type(self)(dataset=self.dataset, preset=self.preset, device=self.device)
        untied = self._data_of_preset(type(self.data).model_fields)
        given = {*_differing(self.data, preset.data)} & {*_differing(self.data, untied)}
        data = self._data_of_preset(given)
        train, before = self.fitted(examples).train, preset.train.resolved(examples)
        if train.steps != before.steps:
            as_long = before.model_copy(update={"steps": train.steps, "log_interval": train.log_interval})
            scaled = fitted(as_long, self._train_of_preset(), LENGTH, examples)
            before = scaled.model_copy(update={"steps": before.steps, "log_interval": before.log_interval})
        pairs = {"data": (self.data, data), "arch": (self.arch, preset.arch), "train": (train, before)}
        return [f"{part}.{name}" for part, (now, before) in pairs.items() for name in _differing(now, before)]

    def _train_of_preset(self) -> TrainConfig:
        return TrainConfig(**get_preset(self.preset, self.family, {}).settings.get("train", {}))

    def _data_of_preset(self, given: Iterable[str]) -> BaseModel:
        """The preset's data settings, if the user chose the fields `given`; some of them replace tied settings."""
        return type(self.data)(**get_preset(self.preset, self.family, dict.fromkeys(given)).settings.get("data", {}))


def with_one_length(above: Mapping[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    """Merge settings; steps or epochs from above replace both from below, for they mean the same."""
    train = above.get("train")
    if isinstance(train, Mapping) and train.keys() & LENGTH and "train" in below:
        below = {**below, "train": {name: value for name, value in below["train"].items() if name not in LENGTH}}
    return merge(above, below)


def find_family(dataset: Any, data_path: Any) -> TaskFamily | None:
    """Return the family of a dataset's name, else that of a dataset directory, else the default one.

    Returns:
        None for a directory without `task.json`, as the reference's builders write it.

    Raises:
        CommandError: No installed package has the family.
    """
    if dataset is None and data_path is not None:
        content = read_task(Path(data_path))
        if content is None:
            return None
        dataset, where = content.get("task"), f"{data_path}/task.json, field task"
    else:
        dataset, where = DEFAULT_DATASET if dataset is None else dataset, "--dataset"
    try:
        return get_family(describe_task(str(dataset))["task"])
    except HRMDataError as error:
        raise CommandError(f"{where} {dataset}: {error}") from error


def settings_type(family: TaskFamily | None) -> type[TrainerSettings]:
    """Return the settings of a run on the puzzles of a family, or on puzzles that no task describes.

    Its `data` are the family's options and augmentation, its `preset` one of those that the family knows.
    """
    fields: dict[str, Any] = {
        "preset": (_one_of(preset_names(family)), TrainerSettings.model_fields["preset"]),
    }
    if family is None:
        fields["data"] = (UndescribedPuzzles, UndescribedPuzzles())
    else:
        data = create_model(
            "DataSettings",
            __base__=(family.augmentation, family.options),
            __doc__="The puzzles that a run learns from.",
            __validators__={"no_switch": field_validator("*", mode="before")(_no_switch)},
        )
        fields["data"] = (data, data())
    made = create_model("Settings", __base__=TrainerSettings, __doc__=TrainerSettings.__doc__, **fields)
    made.family = family
    return made


def _with_size(values: dict[str, Any], family: TaskFamily) -> dict[str, Any]:
    """Set the size that the name of the dataset says; other values of the same setting are refused."""
    size = {name: value for name, value in describe_task(str(values["dataset"])).items() if name != "task"}
    data = values.get("data")
    given = data if isinstance(data, Mapping) else {}
    for name in size.keys() & given.keys():
        try:
            other = family.options(**{name: given[name]}) != family.options(**{name: size[name]})
        except ValidationError:
            continue  # is named when all settings are validated
        if other:
            raise ValueError(f"dataset {values['dataset']} names the size already; leave data.{name} out")
    return merge({"data": size}, values) if size else values


def _differing(now: BaseModel, before: BaseModel) -> list[str]:
    return [name for name, value in now if value != getattr(before, name)]


def _one_of(values: tuple[str, ...]) -> Any:
    return Literal.__getitem__(values)


def _no_switch(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Refuse true or false in a file where a number is expected; pydantic would read 1 or 0."""
    if isinstance(value, bool) and "bool" not in str(cls.model_fields[str(info.field_name)].annotation):
        raise ValueError("is true or false, but should be a value")
    return value


def _preset_settings(values: Mapping[str, Any], family: TaskFamily | None) -> dict[str, Any]:
    """The settings of the preset that `values` name, for the data settings that they hold."""
    name, given = values["preset"], values.get("data")
    if name not in preset_names(family):
        return {}  # validation says what is allowed
    settings = dict(get_preset(name, family, given if isinstance(given, Mapping) else {}).settings)
    if not _on_gpu(values):  # where products in half precision are many times slower
        settings["arch"] = {"forward_dtype": "float32", **settings.get("arch", {})}
    return settings


def _on_gpu(values: Mapping[str, Any]) -> bool:
    device = values.get("device", "auto")
    return gpu_available() if device == "auto" else device == "gpu"


def gpu_available() -> bool:
    """Whether MLX's default device is a GPU."""
    import mlx.core as mx  # here, so that --help does not wait for a driver

    return mx.default_device().type == mx.DeviceType.gpu
