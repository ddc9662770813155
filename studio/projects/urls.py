from django.urls import path

from studio.projects import views

urlpatterns = [
    path("projects/", views.projects, name="projects"),
    path("projects/new/", views.new_project, name="project-new"),
    path("projects/<uuid:project>/", views.project, name="project"),
    path("projects/<uuid:project>/edit/", views.edit_project, name="project-edit"),
    path("projects/<uuid:project>/delete/", views.delete_project, name="project-delete"),
]
