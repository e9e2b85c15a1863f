"""The package's exceptions."""


class HRMDataError(Exception):
    """Something in the caller's data or request is wrong; the message says what, where and what to do."""


class HRMDataIOError(HRMDataError):
    """The request is right, but the disk or the network failed."""
