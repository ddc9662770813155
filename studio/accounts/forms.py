"""What people type at the door, and about their own account."""

from typing import Any

from django import forms

from studio.accounts.rules import MOST_PASSWORD

MOST_NAME = 150


def _password(label: str, hint: str = "", *, autocomplete: str, **more: Any) -> forms.CharField:
    attrs = {"class": "input", "autocomplete": autocomplete, **more}
    return forms.CharField(
        label=label,
        help_text=hint,
        strip=False,
        max_length=MOST_PASSWORD,
        widget=forms.PasswordInput(attrs=attrs),
        error_messages={"required": f"Enter your {label.lower()}."},
    )


class SignInForm(forms.Form):
    use_required_attribute = False  # our own sentence says it, at the field
    username = forms.CharField(
        label="User name",
        max_length=MOST_NAME,
        widget=forms.TextInput(
            attrs={"class": "input", "autofocus": True, "autocomplete": "username", "autocapitalize": "none"}
        ),
        error_messages={"required": "Enter your user name."},
    )
    password = _password("Password", autocomplete="current-password")

    def ask_for_the_password(self) -> None:
        """After a refusal: the name stands there, the password does not."""
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["password"].widget.attrs["autofocus"] = True


class PasswordForm(forms.Form):
    use_required_attribute = False
    old = _password("Present password", autocomplete="current-password", autofocus=True)
    new = _password(
        "New password",
        "At least 10 characters; no common password, no row of the keyboard, nothing like your user name.",
        autocomplete="new-password",
    )
    again = _password("New password again", autocomplete="new-password")

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("new", again):
            raise forms.ValidationError("The two new passwords differ.")
        return again
