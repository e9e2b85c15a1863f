"""HTML from the templates of a room; text is escaped, and a name that a template lacks is an error."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(folder: str, template: str, **content: object) -> str:
    """Return the HTML of a template with its content.

    Args:
        folder: Where the templates are, such as `report/page`.
        template: The file of the template.
        content: What it shows.
    """
    room, _, path = folder.partition("/")
    environment = Environment(
        loader=PackageLoader(f"hrm_evaluator.{room}", path),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template(template).render(**content)


def asset(path: str) -> Markup:
    """Return a style sheet or script that goes into a page as it is, such as `report/page/style.css`."""
    return Markup((files("hrm_evaluator") / path).read_text(encoding="utf-8"))
