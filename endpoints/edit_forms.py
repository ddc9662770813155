"""The Edit endpoint window and the Restore endpoint box: what is offered, and what was typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django import forms

from endpoints.forms import FROM_HUB, PARAMETER, EndpointForm, pick
from endpoints.models import Endpoint
from endpoints.rules import whole
from endpoints.specs import Edit
from scheduler import selectors as scheduler
from studio.hub import selectors as hub
from studio.hub.models import DeployOption, MLApp, Model
from studio.tenants.rules import Actor
from studio.widgets import Number


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two people have, or one of them has, changed since the window opened."""

    label: str
    yours: str
    theirs: str
    touched: bool  # by you


class EditForm(EndpointForm):
    """The Edit endpoint window.

    It sends back what it showed first (`was.…`) and of which `spec_version` that was. So an edit names only what
    was changed here, and after somebody else's edit both can be told apart field by field.
    """

    picks = ("model_checkpoint", "model_version", "rdu_arch")
    unwatched = ()

    endpoint_name = ml_app = token = None  # type: ignore[assignment]  # Django's way to drop a field
    model_checkpoint = pick("Select Model")
    instances = forms.CharField(
        label="Number of instances",
        required=False,
        help_text="0 stops the endpoint.",
        widget=Number(attrs={"min": 0, "step": 1, "inputmode": "numeric"}),
    )

    def __init__(
        self,
        actor: Actor,
        endpoint: Endpoint,
        preview_url: str,
        typed: Mapping[str, str] | None = None,
        *,
        submitted: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.present = present_of(endpoint)
        held = dict(typed or self._holding({}))
        self.was = {
            name.removeprefix("was."): _plain(value)
            for name, value in held.items()
            if name.startswith("was.")
        }
        self.spec_version = held.get("spec_version", "")
        if not submitted:
            held |= self._follow_the_model(held)
        super().__init__(actor, preview_url, held, submitted=submitted)
        picker = self.fields["model_checkpoint"].widget
        picker.choices = [choice for choice in picker.choices if choice[0] not in ("", FROM_HUB)]

    # ----- what is offered

    def _follow_the_model(self, held: Mapping[str, str]) -> dict[str, str]:
        """Another model was chosen just now: its newest version and the recommended generation; or back to ours."""
        model = held.get("model_checkpoint", "")
        if held.get("parameters_of", model).partition(":")[0] == model:
            return {}
        back = model == self.present["model_checkpoint"]
        return {name: self.present[name] if back else "" for name in ("model_version", "rdu_arch")}

    def _model(self, pk: UUID) -> Model:
        own = self.endpoint.model_version.model
        return hub.complete([own])[0] if own.pk == pk else super()._model(pk)

    def _offer_apps(self) -> MLApp | None:
        return self.endpoint.model_version.model.app

    def _deployables(self, actor: Actor, app: MLApp | None) -> list[hub.Deployable]:
        """The endpoint's own model stays, whether or not this person could choose it anew."""
        found, own = super()._deployables(actor, app), self.endpoint.model_version.model
        if any(item.id == own.pk for item in found):
            return found
        return [hub.Deployable(own.pk, own.name, own.is_base, "This endpoint's model", ""), *found]

    def _options(self) -> list[DeployOption]:
        """The endpoint's own generation stays, whether or not there is a node of it."""
        found, own = super()._options(), self.endpoint
        if self.model != own.model_version.model:
            return found
        codes = {option.generation_id for option in found} | {own.generation_id}
        return [option for option in hub.options_of(self.model) if option.generation_id in codes]

    def _home(self, actor: Actor) -> UUID | None:
        return self.endpoint.project.tenant_id

    def _recommended(self, options: list[DeployOption]) -> str:
        return scheduler.recommended(options, self.kinds, self._typed_rdus(), self.endpoint.pk)

    # ----- what is read from it

    def edit(self) -> Edit:
        """What was changed in this window, for the service to check."""
        now, changed = self._now(), self._changed()
        other = "model_checkpoint" in changed
        parameters = {name.removeprefix(PARAMETER): now[name] for name in self.defaults}
        version = self.spec_version
        return Edit(
            description=now["description"] if "description" in changed else None,
            model=now["model_checkpoint"] if other else None,
            model_version=now["model_version"] if other or "model_version" in changed else None,
            arch=now["rdu_arch"] if "rdu_arch" in changed else None,
            instances=now["instances"] if "instances" in changed else None,
            parameters=parameters if other or changed & self.defaults.keys() else None,
            spec_version=whole(version, 18),
        )

    def meet(self, endpoint: Endpoint) -> None:
        """The endpoint as it is now, after somebody else changed it."""
        self.endpoint, self.present = endpoint, present_of(endpoint)

    def differences(self) -> list[Difference]:
        """Between this window and the endpoint as it is now, where somebody changed it since."""
        now, changed, found = self._now(), self._changed(), []
        for name, theirs in self.present.items():
            yours, was = now.get(name, ""), self.was.get(name, theirs)
            if yours != theirs and (name in changed or theirs != was):
                label = self.fields[name].label if name in self.fields else name.removeprefix(PARAMETER)
                found.append(
                    Difference(str(label), self._said(name, yours), self._said(name, theirs), name in changed)
                )
        return found

    def on_top(self) -> dict[str, str]:
        """What a new window should hold: theirs, and on top of it what was changed here."""
        now = self._now()
        return self._holding({name: now[name] for name in self._changed()})

    def _holding(self, mine: dict[str, str]) -> dict[str, str]:
        """A window on the endpoint as it is, in which this is changed."""
        values = self.present | mine
        shown = {f"was.{name}": value for name, value in self.present.items()}
        marks = {
            "parameters_of": values["model_checkpoint"],
            "spec_version": str(self.endpoint.spec_version),
        }
        return values | shown | marks

    def _now(self) -> dict[str, str]:
        values = self.cleaned_data if self.is_bound else self.initial
        names = ("description", *self.picks, "instances", *self.defaults)
        return {name: _plain(values.get(name)) for name in names}

    def _changed(self) -> set[str]:
        return {name for name, value in self._now().items() if value != self.was.get(name, value)}

    def _said(self, name: str, value: str) -> str:
        choices = self.fields[name].widget.choices if name in self.picks else []
        flat = [each for _, group in choices for each in (group if isinstance(group, list) else [])]
        return dict(flat).get(value, value) or "–"


class RestoreForm(forms.Form):
    """The Restore endpoint box."""

    endpoint_name = forms.CharField(
        label="Endpoint name",
        required=False,
        widget=forms.TextInput(attrs={"class": "input", "autofocus": True, "autocomplete": "off"}),
    )
    use_required_attribute = False


def present_of(endpoint: Endpoint) -> dict[str, str]:
    """The endpoint as the Edit endpoint window shows it."""
    running = endpoint.desired == Endpoint.Desired.RUNNING
    values = {
        "description": endpoint.description,
        "model_checkpoint": endpoint.model_version.model_id,
        "model_version": endpoint.model_version.number,
        "rdu_arch": endpoint.generation_id,
        "instances": endpoint.instances if running else 0,
    }
    parameters = {f"{PARAMETER}{name}": value for name, value in endpoint.parameters.items()}
    return {name: _plain(value) for name, value in (values | parameters).items()}


def _plain(value: object) -> str:
    """As it comes back from a browser."""
    return "" if value is None else str(value).replace("\r\n", "\n").strip()
