"""Prints the help of a command as plain sections: a title, and a table of names and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts.help import ColumnSpec, DefaultFormatter, InlineText, NameRenderer, TableSpec
from cyclopts.help.specs import CommandNameRenderer, DefaultStyled, DescriptionColumn

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class HelpFormatter(DefaultFormatter):
    """cyclopts' formatter without frames around the sections."""

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print the description; the blank line after it comes from the next section."""
        if isinstance(description, InlineText):
            description.force_empty_end = False
            console.print(description)

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one section."""
        from rich.padding import Padding

        if not panel.entries:
            return
        longest = max(len(name) for entry in panel.entries for name in entry.all_options or ("",))
        width = max(console.width // 3, longest)  # no flag is broken into two lines
        renderer = CommandNameRenderer(width) if panel.format == "command" else NameRenderer(width)
        names = ColumnSpec(renderer=renderer, style="cyclopts.name", max_width=width)
        table = TableSpec(padding=(0, 2, 0, 0), pad_edge=False).build((names, DescriptionColumn), panel.entries)
        console.print(f"\n{panel.title}:", markup=False)
        console.print(DefaultStyled(Padding(table, (0, 0, 0, 2), expand=False)))
