"""The parts of a command line that cyclopts leaves open: options from settings, one sentence a mistake, exit codes.

Shared by the commands `hrm-data`, `trainer` and `evaluator`; it knows nothing of datasets. A command is a function:

    app = application("demo", "A demonstration.")

    def main_command(options=None):  # options_of(Settings) is the annotation of `options`
        settings = validate(Settings, options or {})

    main_command.__annotations__["options"] = options_of(Settings)
    app.default(main_command)
    run("demo", lambda: dispatch(app, words) or 0)  # the exit code
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
