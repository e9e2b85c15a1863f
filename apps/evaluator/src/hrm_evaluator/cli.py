"""The command `evaluator`: its subcommands, and how their errors become messages and exit codes."""

import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hrm_data.command_line import leave, run

if TYPE_CHECKING:
    from cyclopts import App

# cyclopts, MLX and NumPy are imported by the functions that need them, so that the help starts fast.

_DESCRIPTION = "Score a trained Hierarchical Reasoning Model on the test split of its dataset."
_EXIT_CODES = "Exit codes: 0 done, 1 failure or wrong answer, 2 mistake, 130 interrupted."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 2 for a user's mistake, 1 for a failure, 130 on Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run("evaluator", lambda: _dispatch(words))


def _dispatch(words: Sequence[str]) -> int:
    """Run the command that `words` name; errors with a message for the user become `CommandError`."""
    from hrm_data import HRMDataError
    from hrm_data.command_line import FAILURE, CommandError, dispatch
    from hrm_model import HRMModelError
    from hrm_train import HRMTrainError

    from hrm_evaluator._errors import UserError

    try:
        code: int = dispatch(_application(words), words) or 0
    except (UserError, HRMDataError, HRMModelError, HRMTrainError) as error:
        raise CommandError(str(error)) from error
    except RuntimeError as error:
        from hrm_ops import explain_mlx_error

        if failure := explain_mlx_error(error):
            raise CommandError(failure, FAILURE) from error
        raise
    return code


def _application(words: Sequence[str]) -> "App":
    from cyclopts import Parameter
    from hrm_data.command_line import application, options_of, validate

    from hrm_evaluator._settings import Compare, Evaluate, Models, Playground, Quantize, Solve

    def evaluate(*, options: Any = None) -> int:
        settings = validate(Evaluate, options or {}, _flag)
        from hrm_evaluator.commands.evaluate import evaluate

        return evaluate(settings)

    def solve(
        *puzzle: Annotated[
            str, Parameter(help="Cells in reading order, . for a blank; - reads stdin.", allow_leading_hyphen=True)
        ],
        options: Any = None,
    ) -> int:
        """Solve your own puzzles; without a puzzle, stdin is read."""
        _refuse_flags([word for word in takewhile(lambda word: word != "--", words) if word in puzzle])
        settings = validate(Solve, options or {}, _flag)
        from hrm_evaluator.commands.solve import solve

        return solve(puzzle, settings)

    def compare(*run: Annotated[str, Parameter(help="Run, or checkpoint of one.")], options: Any = None) -> int:
        """Score runs on the same puzzles and print a table in Markdown."""
        settings = validate(Compare, options or {}, _flag)
        from hrm_evaluator.commands.compare import compare

        return compare(run, settings)

    def quantize(*, options: Any = None) -> int:
        """Write a model with weights of 8 or 4 bits."""
        settings = validate(Quantize, options or {}, _flag)
        from hrm_evaluator.commands.quantize import write_quantized

        return write_quantized(settings)

    def playground(file: Annotated[Path, Parameter(help="The new .html file.")], /, *, options: Any = None) -> int:
        """Write a page in which the model solves puzzles in the browser."""
        settings = validate(Playground, options or {}, _flag)
        from hrm_evaluator.commands.playground import write_playground

        return write_playground(file, settings)

    def models(
        name: Annotated[str | None, Parameter(help="Show all that is known of this one.")] = None,
        *,
        options: Any = None,
    ) -> int:
        """List the trained models that come along."""
        settings = validate(Models, options or {}, _flag)
        from hrm_evaluator.commands.models import show_models

        return show_models(name, settings)

    commands = (
        (evaluate, Evaluate),
        (solve, Solve),
        (compare, Compare),
        (quantize, Quantize),
        (playground, Playground),
        (models, Models),
    )
    for command, settings in commands:
        command.__annotations__["options"] = options_of(settings, _flag)
    app = application("evaluator", _DESCRIPTION, help_epilogue=_EXIT_CODES)
    app.default(evaluate)
    app.command(solve, usage="Usage: evaluator solve [PUZZLE ...] [OPTIONS]")
    app.command(compare, usage="Usage: evaluator compare RUN RUN ... [OPTIONS]")
    app.command(quantize, usage="Usage: evaluator quantize --output FILE [OPTIONS]")
    app.command(playground, usage="Usage: evaluator playground FILE [OPTIONS]")
    app.command(models, usage="Usage: evaluator models [NAME] [OPTIONS]")
    return app


def _refuse_flags(puzzles: Sequence[str]) -> None:
    """Refuse flags among the puzzles: cyclopts accepts `-` as a puzzle, but every other word with a hyphen too."""
    from hrm_data.command_line import CommandError, flags_of, suggestion

    from hrm_evaluator._settings import Solve

    for word in puzzles:
        if word.startswith("-") and word != "-":
            flag = word.split("=")[0]
            raise CommandError(
                f"{flag} is not known{suggestion(flag, flags_of(Solve, _flag))} (see evaluator solve --help)"
            )


def _flag(name: str) -> str:
    """The flag of a setting: `--json` for `as_json`, because a model's field cannot be called `json`."""
    return name.removeprefix("as_").replace("_", "-")


def entry_point() -> None:
    """Exit with the code of `main`."""
    leave(main())
