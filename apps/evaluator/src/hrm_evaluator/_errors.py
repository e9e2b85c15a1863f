"""The error for a user's mistake."""


class UserError(Exception):
    """A user's mistake: the message says what is wrong, where, and what to do."""
