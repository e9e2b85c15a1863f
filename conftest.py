"""One folder of kernels for all tests: those that replace the user's cache directory would compile them again."""

import os
import tempfile

from platformdirs import user_cache_path


def pytest_configure() -> None:
    """Name the folder in the environment, for the processes that tests start too."""
    tempfile.gettempdir()  # Python's temporary files stay where they are
    folder = user_cache_path("hrm") / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(folder)
