from django.contrib.admin.apps import AdminConfig


class DeskConfig(AdminConfig):
    """Django's administration with our home page."""

    default_site = "studio.desk.site.Desk"
