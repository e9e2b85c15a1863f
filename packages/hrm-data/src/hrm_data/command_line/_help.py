"""Prints the help of a command as plain sections: a title, and a table of names and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter, TableSpec
from cyclopts.help.specs import DefaultStyled, get_default_command_columns, get_default_parameter_columns

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class HelpFormatter(DefaultFormatter):
    """cyclopts' formatter without frames around the sections."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one section."""
        from rich.padding import Padding

        if not panel.entries:
            return
        columns = get_default_command_columns if panel.format == "command" else get_default_parameter_columns
        table = TableSpec(padding=(0, 2, 0, 0), pad_edge=False).build(columns(console, options, []), panel.entries)
        console.print(f"{panel.title}:", markup=False)
        console.print(DefaultStyled(Padding(table, (0, 0, 1, 2), expand=False)))
