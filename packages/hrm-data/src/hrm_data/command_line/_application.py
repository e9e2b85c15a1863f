"""The style of a command line: how its help looks, and what a mistake of its user is answered with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)
from cyclopts.exceptions import UnknownCommandError
from pydantic import ValidationError as PydanticError

from hrm_data.command_line._exit import CommandError
from hrm_data.command_line._options import ARGUMENTS, COMMANDS, OPTIONS
from hrm_data.command_line._validation import NO_SYNONYMS, Synonyms, problem_of, suggestion
from hrm_data.untrusted import quoted, shortened

WIDTH = 80  # of a help that is not printed on a terminal


def application(
    name: str | None = None, description: str = "", *, version: str | Callable[[], str] = "", **options: Any
) -> App:
    """Return an empty cyclopts application in the style of this project.

    Args:
        name: The command as a user types it.
        description: The first paragraph of the help.
        version: The answer to `--version`; empty for an application without that flag.
        **options: More arguments of `cyclopts.App`.
    """
    from hrm_data.command_line._help import HelpFormatter

    return App(
        name=name,
        help=description,
        version=version or None,
        version_flags=["--version"] if version else [],
        help_format="plaintext",
        help_formatter=HelpFormatter(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        group_commands=COMMANDS,
        group_arguments=ARGUMENTS,
        group_parameters=OPTIONS,
        default_parameter=Parameter(allow_repeating=True, negative=()),
        **options,
    )


def dispatch(app: App, words: Sequence[str], synonyms: Synonyms = NO_SYNONYMS) -> Any:
    """Call the function of the command that `words` name, or print the help that they ask for.

    Args:
        app: From `application`.
        words: The command line, without the name of the program.
        synonyms: Other names of options, which unknown ones are compared with; see `suggestion`.

    Raises:
        CommandError: The words are wrong; the message names flag, value and what is allowed.
    """
    from hrm_data.terminal import console_for

    options = list(takewhile(lambda word: word != "--", words))
    for before, word in zip(("", *options), options, strict=False):
        if not word or (word.startswith("--") and word.endswith("=")):
            flag = word.rstrip("=") or (before if before.startswith("--") else "")
            raise CommandError(f"{flag or 'an argument'} is empty; write a value, or leave it out")
    console = console_for()
    if not console.is_terminal:
        console.width = WIDTH
    try:
        return app(list(words), exit_on_error=False, print_error=False, console=console)
    except CycloptsError as error:
        prog = " ".join([app.name[0], *(error.command_chain or ())])
        raise CommandError(f"{_sentence(error, synonyms)} (see {prog} --help)") from None


def _sentence(error: CycloptsError, synonyms: Synonyms) -> str:
    argument = error.argument
    if isinstance(error, UnknownOptionError):
        word = error.token.keyword or error.token.value
        known = [name for one in error.argument_collection if one.parse for name in one.names if name.startswith("--")]
        return f"{shortened(word)} is not known{suggestion(word, known, synonyms) or _listed('; flags are', known)}"
    if isinstance(error, UnknownCommandError | UnusedCliTokensError):
        word = (error.unused_tokens or [""])[0]
        commands = [name for name in (error.app or ()) if not name.startswith("-")]
        if isinstance(error, UnusedCliTokensError) and word in commands:
            before = error.root_input_tokens or []
            flags = [flag.split("=")[0] for flag in before[: before.index(word)] if flag.startswith("-")]
            return f"{', '.join(flags)} must come after {word}"
        if commands:
            return f"{quoted(word)} is no command{suggestion(word, commands)}{_listed('; commands are', commands)}"
        return f"{quoted(word)} is one argument too many"
    name = argument.name if argument is not None else ""
    name = name if name.startswith("--") else name.upper()
    if isinstance(error, MissingArgumentError):
        return f"{error.keyword}: expected one argument" if error.keyword else f"{name} is missing"
    if isinstance(error, ValidationError) and argument is not None and argument.tokens:
        cause = error.__cause__
        problem = problem_of(cause.errors()[0]) if isinstance(cause, PydanticError) else error.exception_message
        return f"{name} {shortened(argument.tokens[-1].value)}: {problem}"
    if isinstance(error, CoercionError) and argument is not None:
        token = error.token or (argument.tokens[-1] if argument.tokens else None)
        value = f" {shortened(token.value)}" if token is not None else ""
        allowed = argument.get_choices()
        kinds = {int: "an integer", float: "a number", bool: "yes or no"}
        wanted = _listed("one of", allowed) if allowed else kinds.get(argument.resolved_hint, "another value")
        return f"{name}{value}: should be {wanted.strip()}"
    return " ".join(str(error).split())


def _listed(lead: str, names: Sequence[str]) -> str:
    return f"{lead} {', '.join(names)}"
