"""The halting rule that the options of a command describe."""

from typing import Any

from hrm_model import HaltingRule

from hrm_evaluator._errors import UserError
from hrm_evaluator._settings import Halting


def halting_rule(settings: Halting) -> HaltingRule:
    """Return the rule that the options describe.

    Raises:
        UserError: If an option belongs to another rule.
    """
    parameters: dict[str, Any] = {}
    for option, kind in (("threshold", "confidence"), ("patience", "stable")):
        value = getattr(settings, option)
        if value is None:
            continue
        if settings.halting != kind:
            raise UserError(
                f"--{option} needs --halting {kind}, but --halting is {settings.halting}; remove --{option} or "
                "change --halting"
            )
        parameters[option] = value
    return HaltingRule(settings.halting, **parameters)
