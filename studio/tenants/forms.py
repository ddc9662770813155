"""What people type at the door."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

THEMES = ("system", "light", "dark")


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "User name and password do not belong together. Both mind upper and lower case.",
        "inactive": "This user has been deactivated; ask an administrator.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        self.fields["username"].error_messages["required"] = "Enter your user name."
        self.fields["password"].error_messages["required"] = "Enter your password."
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
        self.use_required_attribute = False  # our own sentence says it, at the field


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(name, name) for name in THEMES])
