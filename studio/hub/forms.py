"""The filters above the Model Hub's list."""

from collections.abc import Mapping
from typing import Any

from django import forms

from studio.hub import selectors as hub
from studio.tenants.rules import Actor
from studio.widgets import Line, Picker

MOST = 120  # characters of a search


def _pick(label: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, widget=Picker)


class HubForm(forms.Form):
    """A value that is not offered counts as none: an address may be old."""

    search = forms.CharField(label="Search", required=False)
    field = _pick("Field of application")
    app = _pick("ML APP")
    architecture = _pick("Architecture")
    owner = _pick("Owner")

    def __init__(self, actor: Actor, asked: Mapping[str, Any]) -> None:
        super().__init__()
        choices = hub.choices(actor)
        self.models = choices.models
        self._offer("field", choices.fields, asked)
        self._offer("app", choices.apps, asked)
        self._offer("architecture", choices.architectures, asked)
        self._offer("owner", choices.owners, asked)
        self.initial["search"] = str(asked.get("search", "")).replace("\0", "").strip()[:MOST]
        self.fields["search"].widget = Line(
            attrs={"type": "search", "class": "input", "maxlength": MOST, "autocomplete": "off"}
        )

    @property
    def filters(self) -> hub.Filters:
        return hub.Filters(**self.initial)

    @property
    def is_narrow(self) -> bool:
        return any(self.initial.values())

    @property
    def query(self) -> dict[str, str]:
        """What an address needs to show the same list; `app` also when it is all, over the chosen ML App."""
        return {name: value for name, value in self.initial.items() if value or name == "app"}

    def _offer(self, name: str, choices: list[tuple[str, str]], asked: Mapping[str, Any]) -> None:
        self.fields[name].widget = Picker(choices=[("", "All"), *choices], attrs={"class": "input"})
        wanted = str(asked.get(name, ""))
        self.initial[name] = wanted if wanted in dict(choices) else ""
