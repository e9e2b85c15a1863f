"""Docstrings as the code has them, for a page: cross-references become links, and examples are shown as code."""

import re
from typing import Any

from griffe import Class, Extension, GriffeLoader, Module

_ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):`([\w.]+)`")


class Docstrings(Extension):
    """Rewrites the docstrings of a package after it is read."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Rewrite every docstring of a package."""
        public = {str(name) for name in pkg.exports or ()}

        def link(found: re.Match[str]) -> str:
            name = found[1].removeprefix(f"{pkg.name}.")
            return f"[`{name}`][{pkg.name}.{name}]" if name.split(".")[0] in public else f"`{name}`"

        def rewrite(owner: Module | Class) -> None:
            for member in owner.members.values():
                if member.is_alias:
                    continue
                if member.docstring is not None:
                    text = _ROLE.sub(link, member.docstring.value)
                    member.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
                if isinstance(member, Module | Class):
                    rewrite(member)

        rewrite(pkg)
