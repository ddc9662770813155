from django.apps import AppConfig


class StudioConfig(AppConfig):
    """Makes `studio` an app for its commands and its admin; its rows live in its parts."""

    name = "studio"
