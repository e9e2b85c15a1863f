"""The command line of `hrm-data`: its subcommands, their arguments and options."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from pydantic import Field

from hrm_data._errors import HRMDataError
from hrm_data.command_line import CommandError, application, options_of, validate
from hrm_data.task._family import TaskFamily
from hrm_data.task._registry import describe_task, get_family, task_names

# The functions import what a command needs, so that its help does not wait for NumPy.

_EXIT_CODES = """\
hrm-data COMMAND --help lists the options of a command.

Exit codes: 0 done, 1 failure or a faulty dataset, 2 a mistake in the command line, 130 interrupted."""

_BUILD_USAGE = "Usage: hrm-data build NAME --output PATH [OPTIONS]"

Directory = Annotated[Path, Parameter(help="A dataset directory.")]
Output = Annotated[Path, Parameter(help="The directory to make; it must not exist yet.", metavar="PATH")]
TaskName = Annotated[
    str | None, Parameter(help="Task of the puzzles, for a dataset without task.json.", metavar="NAME")
]


def application_for(words: list[str]) -> App:
    """Return the application; of the families of tasks it loads only those that `words` needs."""
    app = application(
        "hrm-data",
        "Make and inspect datasets of reasoning puzzles.",
        version=lambda: version("hrm-data"),
        help_epilogue=_EXIT_CODES,
    )
    build = application("build", "Make a dataset directory; hrm-data build --help lists the tasks.", usage=_BUILD_USAGE)
    if words[:1] == ["build"]:
        named = len(words) > 1 and words[1] not in ("", "-h", "--help")  # `dispatch` refuses an empty word
        _add_families(build, words[1] if named else None)
    app.command(build)
    app.command(info)
    app.command(show)
    app.command(verify)
    return app


def info(directory: Directory, /) -> int:
    """Describe a dataset directory: sizes, vocabulary, task and origin."""
    from hrm_data.commands._show import describe_directory

    describe_directory(directory)
    return 0


def show(
    directory: Directory,
    /,
    *,
    index: Annotated[
        int, Field(ge=0, lt=2**63), Parameter(help="Number of the example in the split, counted from 0.", metavar="N")
    ] = 0,
    split: Annotated[str, Parameter(help="Split of the dataset.", metavar="NAME")] = "train",
    task: TaskName = None,
) -> int:
    """Draw one example of a dataset: the puzzle beside its solution."""
    from hrm_data.commands._show import show_example

    show_example(directory, split, index, task)
    return 0


def verify(directory: Directory, /, *, task: TaskName = None) -> int:
    """Check every file, array, index and solution of a dataset directory, and try augmentation and symmetries."""
    from hrm_data.commands._verify import verify_directory

    return verify_directory(directory, task)


def _add_families(build: App, name: str | None) -> None:
    """Add the family that the command line names, or all of them for the help."""
    if name is not None:
        if name.startswith("-"):
            raise CommandError(f"{name} must come after the name of a task ({_BUILD_USAGE})")
        size = describe_task(name)
        family = get_family(size.pop("task"))
        build.command(_builder(family, name, size), name=name, help=family.summary)
        return
    for known in task_names():
        try:
            summary = get_family(known).summary
        except HRMDataError as error:
            summary = f"cannot be used: {error}"
        build.command(_listed, name=known, help=summary)


def _listed() -> None:
    """Stand in the help for a family that is not built."""


def _builder(family: TaskFamily, name: str, size: Mapping[str, Any]) -> Any:
    def build(*, output: Output, options: Any = None) -> int:
        from hrm_data.commands._build import build_dataset

        for field in size.keys() & (options or {}).keys():
            raise CommandError(f"--{field}: {name} names the size already; leave one of them out")
        build_dataset(family, output, validate(family.options, {**size, **(options or {})}))
        return 0

    build.__annotations__["options"] = options_of(family.options)
    return build
