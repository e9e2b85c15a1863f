"""What the processes of all tests share: compiled kernels, and the bytecode of what they import."""

import os
import tempfile

from platformdirs import user_cache_path


def pytest_configure() -> None:
    """Say in the environment, for the processes that tests start too, where kernels are, and to keep bytecode.

    Tests that replace the user's cache directory would compile all kernels again; and where bytecode is not kept, as in
    many containers, each process spends most of its time on compiling what it imports.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    tempfile.gettempdir()  # Python's temporary files stay where they are
    folder = user_cache_path("hrm") / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(folder)
