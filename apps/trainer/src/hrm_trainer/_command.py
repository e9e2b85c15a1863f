import argparse
from typing import NoReturn

from hrm_trainer._errors import UserError


class CommandParser(argparse.ArgumentParser):
    """Parser of a command behind ``trainer`` that raises what a user did wrong instead of exiting."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(prog=f"trainer {name}", description=description, allow_abbrev=False)
        self.name = name

    def error(self, message: str) -> NoReturn:
        """Raise the message, with where help is."""
        raise UserError(f"{self.name}: {message} (trainer {self.name} --help shows the usage)")
