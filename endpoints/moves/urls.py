from django.urls import path

from endpoints.moves import views

urlpatterns = [
    path("endpoints/<uuid:endpoint>/move/", views.move_endpoint, name="endpoint-move"),
    path("endpoints/<uuid:endpoint>/transfer/", views.transfer_endpoint, name="endpoint-transfer"),
    path("projects/<uuid:project>/move/", views.move_project, name="project-move"),
    path("projects/<uuid:project>/transfer/", views.transfer_project, name="project-transfer"),
    path("models/<uuid:model>/transfer/", views.transfer_model, name="model-transfer"),
]
