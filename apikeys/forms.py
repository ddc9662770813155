"""What people type about an API key. The rules behind it are the service's, whose refusals name the same fields."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from apikeys.models import ApiKey
from apikeys.rules import GRACES, LIMITS
from studio.json_api import moment

ORDER = sorted(LIMITS, key=lambda name: name.startswith("tokens"))  # what counts requests comes first
MINUTE, SECOND = "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"


class DescriptionForm(forms.Form):
    """The Edit key description box. `updated_at`: what of the key was seen."""

    description = forms.CharField(
        label="Key description",
        required=False,
        widget=forms.TextInput(attrs={"class": "input", "autofocus": True, "autocomplete": "off"}),
    )
    updated_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, key: ApiKey, typed: Mapping[str, Any] | None) -> None:
        initial = {"description": key.description, "updated_at": moment(key.updated_at)}
        super().__init__(typed, initial=initial)


class LimitsForm(forms.Form):
    """What a key may use. Numbers are text fields: what is typed wrong arrives here, and is not sent as nothing."""

    updated_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, names: Sequence[str], typed: Mapping[str, Any] | None, *, key: ApiKey | None = None
    ) -> None:
        super().__init__(typed, initial=_initial(key) if key else {})
        for name in ORDER:
            self.fields[name] = _number(LIMITS[name])
        if key is not None:
            self.fields[ORDER[0]].widget.attrs["autofocus"] = True
        if key is None or not key.is_first:
            self.fields["expires_at"] = _expiry()
        known = list(dict.fromkeys([*names, *(key.experts if key else ())]))
        self.fields["experts"] = _experts(known)

    @property
    def numbers(self) -> list[forms.BoundField]:
        return [self[name] for name in ORDER]

    @property
    def is_limited(self) -> bool:
        """Something is set or wrong."""
        names = (*LIMITS, "expires_at", "experts")
        return any(self[name].errors or self[name].value() for name in names if name in self.fields)

    def terms(self) -> dict[str, Any]:
        """What was typed, for the service to check; what is empty ends."""
        return {
            "limits": {name: self.cleaned_data[name] for name in LIMITS},
            "expires_at": self.cleaned_data.get("expires_at", ""),
            "experts": self.cleaned_data["experts"],
        }


class NewKeyForm(LimitsForm):
    """The Add new API key box. `token` is the id of the key to be: pressed twice, the button adds one."""

    description = forms.CharField(
        label="Add description",
        required=False,
        widget=forms.TextInput(
            attrs={
                "class": "input",
                "autofocus": True,
                "autocomplete": "off",
                "placeholder": "Who or what uses it",
            }
        ),
    )
    token = forms.UUIDField(required=False, initial=uuid.uuid4, widget=forms.HiddenInput)


class RotateForm(forms.Form):
    """The Rotate First Key box. `updated_at`: what of the key was seen; pressed twice, the button rotates once."""

    grace = forms.ChoiceField(
        label="The old value goes on working for",
        choices=[(name, words) for name, (_, words) in GRACES.items()],
        widget=forms.Select(attrs={"class": "input"}),
    )
    updated_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, key: ApiKey, typed: Mapping[str, Any] | None) -> None:
        super().__init__(typed, initial={"grace": "none", "updated_at": moment(key.updated_at)})


def _initial(key: ApiKey) -> dict[str, Any]:
    expiry = ""
    if key.expires_at:
        expiry = key.expires_at.strftime(SECOND if key.expires_at.second else MINUTE)
    return {name: getattr(key, name) for name in LIMITS} | {
        "expires_at": expiry,
        "experts": key.experts,
        "updated_at": moment(key.updated_at),
    }


def _number(label: str) -> forms.CharField:
    attrs = {"class": "input", "inputmode": "numeric", "autocomplete": "off", "placeholder": "no limit"}
    return forms.CharField(label=label, required=False, widget=forms.TextInput(attrs=attrs))


def _expiry() -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "input", "step": "any"})
    widget.input_type = "datetime-local"
    return forms.CharField(
        label="Expires at", help_text="In UTC; empty: it never expires.", required=False, widget=widget
    )


def _experts(names: Sequence[str]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Allowed experts",
        help_text="The only model names the key may ask for; none ticked: all of them.",
        choices=[(name, name) for name in names],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
