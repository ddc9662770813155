from django.urls import path

from studio.sharing import views

urlpatterns = [
    path("endpoints/<uuid:endpoint>/share/", views.endpoint, name="endpoint-share"),
    path("projects/<uuid:project>/share/", views.project, name="project-share"),
    path("models/<uuid:model>/share/", views.model, name="model-share"),
    path("organization/", views.organization, name="organization"),
]
