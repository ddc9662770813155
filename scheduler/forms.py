"""What operators type about a node. The rules behind it are the service's, whose refusals name the same fields."""

from collections.abc import Iterable
from typing import Any

from django import forms

from studio.hub.models import Generation
from studio.tenants.models import Tenant


class NodeForm(forms.Form):
    """The Add node box."""

    name = forms.CharField(
        label="Name",
        widget=forms.TextInput(
            attrs={"class": "input", "autofocus": True, "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    generation = forms.ChoiceField(label="RDU generation", widget=forms.Select(attrs={"class": "input"}))
    width = forms.IntegerField(
        label="Number of RDUs",
        initial=8,
        error_messages={
            "invalid": "Enter a whole number.",
            "required": "Enter how many RDUs the node has.",
        },
        widget=forms.TextInput(attrs={"class": "input", "inputmode": "numeric", "autocomplete": "off"}),
    )
    address = forms.CharField(
        label="Address",
        required=False,
        help_text="Where gateways reach the node's model servers; empty: 127.0.0.1, this machine alone.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "spellcheck": "false"}),
    )
    virtual = forms.BooleanField(label="Virtual RDUs: no device stands behind them", required=False)
    use_required_attribute = False  # the service's sentence stands at the field instead

    def __init__(self, typed: Any = None, **more: Any) -> None:
        super().__init__(typed, **more)
        choices = [(each.code, each.code) for each in Generation.objects.all()]
        self.fields["generation"].choices = choices  # type: ignore[attr-defined]


class AssignForm(forms.Form):
    """The Assign box; "" is shared by all."""

    tenant = forms.ChoiceField(label="Tenant", required=False, widget=forms.Select(attrs={"class": "input"}))

    def __init__(self, tenants: Iterable[Tenant], typed: Any = None, **more: Any) -> None:
        super().__init__(typed, **more)
        self.tenants = {str(each.pk): each for each in tenants}
        choices = [(pk, each.name) for pk, each in self.tenants.items()]
        self.fields["tenant"].choices = [("", "Shared by all tenants"), *choices]  # type: ignore[attr-defined]

    @property
    def chosen(self) -> Tenant | None:
        return self.tenants.get(self.cleaned_data["tenant"])
