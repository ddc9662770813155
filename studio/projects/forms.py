"""What people type about a project. The rules behind it are the service's."""

from django import forms


class ProjectForm(forms.Form):
    name = forms.CharField(
        label="Project name", widget=forms.TextInput(attrs={"class": "input", "autofocus": True})
    )
    description = forms.CharField(
        label="Description", required=False, widget=forms.Textarea(attrs={"class": "input", "rows": 2})
    )
    use_required_attribute = False  # the service's sentence stands at the field instead
