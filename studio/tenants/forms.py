"""What people choose in the frame."""

from django import forms

THEMES = ("system", "light", "dark")


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[(name, name) for name in THEMES])
