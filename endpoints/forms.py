"""The Create endpoint window: which choices depend on which, and what was typed.

The form only offers; what holds is decided by `endpoints.specs.read_spec`, whose refusals name the same
fields. Each choice narrows the next: ML App → model → version and RDU generation → model parameters.

The window sends back a mark of what each of its parts offers. So a change refreshes just the parts that would
now offer something else, whichever request got lost or was overtaken before, and nothing else that is typed.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID
from zlib import crc32

from django import forms

from endpoints.rules import whole
from endpoints.specs import Spec
from scheduler import selectors as scheduler
from studio.hub import selectors as hub
from studio.hub.models import DeployOption, MLApp, Model
from studio.hub.rules import RDUS_PARAM
from studio.tenants.rules import Actor
from studio.widgets import Line, Lines, Number, Picker

PARAMETER = "hyperparams."
FROM_HUB = "hub"  # the entry of Select model that opens the Model Hub
FIRST_A_MODEL = [("", "Select a model first")]
PICKS = ("ml_app", "model_checkpoint", "model_version", "rdu_arch")


def pick(label: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, widget=Picker)


class EndpointForm(forms.Form):
    """`token` is the id of the endpoint to be: pressed twice, the button creates one."""

    picks: tuple[str, ...] = PICKS
    unwatched: tuple[str, ...] = ("endpoint_name", "description", "token")  # what they hold moves no RDU

    endpoint_name = forms.CharField(label="Endpoint name", required=False, widget=Line)
    description = forms.CharField(label="Description", required=False, widget=Lines(attrs={"rows": 1}))
    ml_app = pick("ML App")
    model_checkpoint = pick("Select model")
    model_version = pick("Version")
    instances = forms.CharField(
        label="Number of instances",
        required=False,
        widget=Number(attrs={"min": 1, "step": 1, "inputmode": "numeric"}),
    )
    rdu_arch = pick("RDU generation")
    token = forms.UUIDField(required=False, widget=forms.HiddenInput)
    use_required_attribute = False

    def __init__(
        self,
        actor: Actor,
        preview_url: str,
        typed: Mapping[str, Any] | None = None,
        *,
        submitted: bool = False,
    ) -> None:
        """`typed` is what the window holds; only when it was `submitted` are faults shown."""
        self.typed = typed or {}
        self.tenant = self._home(actor)
        self.marks: dict[str, str] = {}
        super().__init__(self.typed if submitted else None, initial=self._initial())
        self.model: Model | None = None
        self.option: DeployOption | None = None
        self._offer_models(actor)
        self._offer_deployments()
        self._offer_parameters()
        self._dress(preview_url)

    # ----- what is offered

    def _offer_models(self, actor: Actor) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        refusals: dict[str, str] = {}
        for item in self._deployables(actor, self._offer_apps()):
            pk = str(item.id)
            groups.setdefault(item.group, []).append((pk, _model_label(item)))
            if item.refusal:
                refusals[pk] = f"{item.refusal} {hub.BASE_ADVICE}" if item.is_base else item.refusal
            elif pk == self._typed("model_checkpoint"):
                self.model = self._model(item.id)
        choices = [("", "Select a model"), *groups.items(), (FROM_HUB, "Select from Model Hub")]
        self._offer(
            "model_checkpoint", choices, closed=refusals, note=" ".join(dict.fromkeys(refusals.values()))
        )
        self.initial["model_checkpoint"] = str(self.model.pk) if self.model else ""
        if self.model:
            self.initial["ml_app"] = str(self.model.app_id)

    def _model(self, pk: uuid.UUID) -> Model:
        return hub.whole(pk)

    def _offer_apps(self) -> MLApp | None:
        apps = hub.all_apps()
        self._offer("ml_app", [("", "All ML Apps"), *((str(app.pk), app.name) for app in apps)])
        return next((app for app in apps if str(app.pk) == self._typed("ml_app")), None)

    def _deployables(self, actor: Actor, app: MLApp | None) -> list[hub.Deployable]:
        return hub.deployable_models(actor, app)

    def _options(self) -> list[DeployOption]:
        return scheduler.existing(hub.options_of(self.model), self.kinds) if self.model else []

    def _home(self, actor: Actor) -> UUID | None:
        """The tenant whose nodes count beside those that all share."""
        return actor.tenant

    def _recommended(self, options: list[DeployOption]) -> str:
        return scheduler.recommended(options, self.kinds, self._typed_rdus())

    def _offer_deployments(self) -> None:
        versions = list(self.model.versions.all()) if self.model else []
        numbers = [str(each.number) for each in sorted(versions, key=lambda each: -each.number)]
        self._offer("model_version", [(number, number) for number in numbers] or FIRST_A_MODEL)
        self._keep("model_version", numbers)
        self.nodes = scheduler.all_kinds_for(hub.options_of(self.model)) if self.model else []
        self.kinds = [kind for kind in self.nodes if kind.is_open_to(self.tenant)]
        options = self._options()
        best = self._recommended(options) if options else ""
        codes = [option.generation_id for option in options]
        labels = [(code, f"{code} · recommended" if code == best else code) for code in codes]
        self._offer("rdu_arch", labels or FIRST_A_MODEL, note=self._why_no_generation(codes))
        arch = self._keep("rdu_arch", codes, best)
        self.option = next((option for option in options if option.generation_id == arch), None)

    def _offer_parameters(self) -> None:
        """Values typed for another model are not carried over."""
        keep = self._is_same_model()
        self.defaults: dict[str, str] = {}
        for field in self.option.params if self.option else []:
            name = f"{PARAMETER}{field['name']}"
            self.fields[name] = _parameter(field)
            typed = self._typed(name)
            self.initial[name] = typed if keep and typed else field.get("default")
            self.defaults[name] = str(field.get("default"))

    # ----- what is read from it

    @property
    def parameters_of(self) -> str:
        """The mark of the part with the model parameters."""
        params = self.option.params if self.option else []
        return f"{self.model.pk if self.model else ''}:{_mark(params)}"

    @property
    def touched(self) -> list[str]:
        """The parts that would show something else now than the window does."""
        stale = [name for name in self.picks if self.marks[name] != self._typed(f"shown.{name}")]
        stale += [name for name in self.picks if self.initial[name] != self._typed(name)]
        return stale if self.parameters_of == self._typed("parameters_of") else [*stale, "parameters"]

    @property
    def parameters(self) -> list[forms.BoundField]:
        return [self[name] for name in self.defaults]

    @property
    def parameters_open(self) -> bool:
        """Open where something is set or wrong."""
        return any(
            field.errors or str(field.value()) != self.defaults[field.name] for field in self.parameters
        )

    def focus(self, name: str) -> None:
        """The field at which the window opens."""
        for field in self.fields.values():
            field.widget.attrs.pop("autofocus", None)
        self.fields[name].widget.attrs["autofocus"] = True

    def spec(self) -> Spec:
        """What was typed, for the service to check; before the window was submitted: what it shows."""
        values = self.cleaned_data if self.is_bound else self.initial
        return Spec(
            name=str(values.get("endpoint_name") or ""),
            description=str(values.get("description") or ""),
            app=str(values.get("ml_app") or ""),
            model=str(values.get("model_checkpoint") or ""),
            model_version=str(values.get("model_version") or "") or None,
            instances=values.get("instances") or "",
            arch=str(values.get("rdu_arch") or self.initial["rdu_arch"]),  # sent before it was filled in
            parameters={name.removeprefix(PARAMETER): values.get(name) for name in self.defaults},
        )

    # ----- below: how it is put together

    def _initial(self) -> dict[str, Any]:
        return {name: self._typed(name) for name in self.base_fields} | {
            "instances": self._typed("instances") or "1",
            "token": self._typed("token") or str(uuid.uuid4()),
        }

    def _typed(self, name: str) -> str:
        return str(self.typed.get(name) or "").strip()

    def _typed_rdus(self) -> int | None:
        return whole(self._typed(PARAMETER + RDUS_PARAM), 3) if self._is_same_model() else None

    def _is_same_model(self) -> bool:
        return self.model is not None and self._typed("parameters_of").partition(":")[0] == str(self.model.pk)

    def _offer(self, name: str, choices: Iterable[Any], closed: Iterable[str] = (), note: str = "") -> None:
        field = self.fields[name]
        field.widget.choices, field.widget.closed = list(choices), frozenset(closed)
        field.help_text = note
        self.marks[name] = _mark([field.widget.choices, sorted(closed), note])

    def _keep(self, name: str, offered: list[str], otherwise: str = "") -> str:
        """The value typed, if it is still offered; else the first choice."""
        typed = self._typed(name)
        value = typed if typed in offered else otherwise or (offered[0] if offered else "")
        self.initial[name] = value
        return value

    def _why_no_generation(self, codes: list[str]) -> str:
        if not self.model or codes:
            return ""
        wanted = " or ".join(option.generation_id for option in hub.options_of(self.model))
        return f"{self.model.name} needs {wanted} RDUs, and no node of this platform has them."

    def _dress(self, preview_url: str) -> None:
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "input"
            if name not in self.unwatched:
                typing = not isinstance(field.widget, Picker)
                field.widget.attrs |= {
                    "hx-post": preview_url,
                    "hx-trigger": "input changed delay:250ms" if typing else "change",
                    "hx-target": "this",
                    "hx-swap": "none",
                    "hx-sync": "closest .sheet-body:queue last",
                }
        self.focus(next(iter(self.fields)))


def carried(typed: Mapping[str, Any]) -> dict[str, str]:
    """What the window holds, as the query of an address that leads back to it.

    Where the entry of the Model Hub is chosen, the model is still the one whose parameters are shown.
    """
    names = (*EndpointForm.base_fields, "parameters_of")
    kept = {name: str(value) for name, value in typed.items() if name in names or name.startswith(PARAMETER)}
    if kept.get("model_checkpoint") == FROM_HUB:
        kept["model_checkpoint"] = kept.get("parameters_of", "").partition(":")[0]
    return {name: value for name, value in kept.items() if value}


def with_model(typed: Mapping[str, Any], model: str) -> dict[str, str]:
    """The window with another model chosen; the model brings its app and its newest version."""
    kept = carried(typed)
    if model and model != kept.get("model_checkpoint"):
        kept |= {"model_checkpoint": model, "ml_app": "", "model_version": ""}
    return kept


def _mark(offer: object) -> str:
    return f"{crc32(repr(offer).encode()):x}"


def _model_label(model: hub.Deployable) -> str:
    return f"{model.name} (Base model)" if model.is_base else model.name


def _parameter(field: Mapping[str, Any]) -> forms.CharField:
    low, high = field.get("min"), field.get("max")
    limits = f"{low} to {high}" if low is not None and high is not None else ""
    number = field.get("type") in ("int", "float")
    step = {"step": "any" if field.get("type") == "float" else 1} if number else {}
    widget = Number(attrs=step) if number else Line()
    if not field.get("user_modifiable", True):
        widget.attrs["readonly"] = True
    about = ", ".join(part for part in (str(field.get("description", "")), limits) if part)
    return forms.CharField(
        label=field.get("label", field["name"]), help_text=about, required=False, widget=widget
    )
