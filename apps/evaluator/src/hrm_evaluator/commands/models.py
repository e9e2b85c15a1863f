"""The command `evaluator models`: lists the models that come along, or shows the card of one."""

from hrm_data.terminal import console_for
from rich.console import Console
from rich.table import Table

from hrm_evaluator._output import to_json
from hrm_evaluator._settings import Models
from hrm_evaluator.shipped._card import Card
from hrm_evaluator.shipped._models import card_of, cards, weights_of


def show_models(name: str | None, settings: Models) -> int:
    """Print the list, or all that is known of one model; return the exit code.

    Raises:
        UserError: If there is no such model.
    """
    console = console_for()
    if name is not None:
        card = card_of(name)
        if settings.as_json:
            print(card.model_dump_json(indent=2))
        else:
            _print_card(console, card)
        return 0
    if settings.as_json:
        print(to_json([card.model_dump(mode="json") for card in cards().values()]))
        return 0
    table = Table("model", "puzzles", "exact", "mean steps", "bytes", box=None, pad_edge=False)
    for card in cards().values():
        size = f"{weights_of(card.name).stat().st_size:,}"
        for row, accuracy in enumerate(card.accuracy):
            first = not row
            table.add_row(
                card.name if first else "",
                accuracy.puzzles,
                f"{accuracy.exact:.1%}",
                f"{accuracy.mean_steps:.1f}",
                size if first else "",
            )
    console.print(table)
    return 0


def _print_card(console: Console, card: Card) -> None:
    facts = {
        "model": card.name,
        "solves": card.summary,
        **({"needs": f"the package {card.package}"} if card.package else {}),
        "trained by": card.command,
        "with data": ", ".join(f"{name} {value}" for name, value in card.data.items()),
        "at commit": card.commit,
        "on": f"{card.machine}, {card.minutes:g} minutes, {card.steps:,} steps",
        "parameters": f"{card.parameters:,}, matrices of {card.bits} bits",
        **{f"exact, {row.puzzles}": _exact(row.exact, row.count, row.mean_steps) for row in card.accuracy},
        **{f"limit {number}": limit for number, limit in enumerate(card.limits, start=1)},
        "file": str(weights_of(card.name)),
        "sha256": card.sha256,
        "licence": card.licence,
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)


def _exact(share: float, count: int, steps: float) -> str:
    return f"{share:.1%} of {count:,} unseen puzzles, {steps:.1f} steps on average"
