from django.urls import path

from endpoints.views import create, dashboard, edit, notices, window

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("notices/", notices.notices, name="notices"),
    path("notices/mark/", notices.mark, name="notices-mark"),
    path("projects/<uuid:project>/endpoints/new/", create.new, name="endpoint-new"),
    path("projects/<uuid:project>/endpoints/preview/", create.preview, name="endpoint-preview"),
    path("endpoints/<uuid:endpoint>/", window.endpoint, name="endpoint"),
    path("endpoints/<uuid:endpoint>/edit/", edit.edit, name="endpoint-edit"),
    path("endpoints/<uuid:endpoint>/edit/preview/", edit.preview, name="endpoint-edit-preview"),
    path("endpoints/<uuid:endpoint>/restore/", window.restore, name="endpoint-restore"),
    path("endpoints/<uuid:endpoint>/stop/", window.stop, name="endpoint-stop"),
    path("endpoints/<uuid:endpoint>/restart/", window.restart, name="endpoint-restart"),
    path("endpoints/<uuid:endpoint>/delete/", window.delete, name="endpoint-delete"),
    path("endpoints/<uuid:endpoint>/keys/<uuid:key>/", window.key_value, name="key-value"),
]
