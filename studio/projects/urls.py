from django.urls import path

from studio.projects import views

urlpatterns = [
    path("projects/", views.projects, name="projects"),
    path("projects/new/", views.new_project, name="project-new"),
    path("projects/<uuid:project>/", views.project, name="project"),
]
