from django.urls import path

from studio.hub import views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/<uuid:model>/", views.model, name="model"),
    path("models/<uuid:model>/endpoint/", views.deploy, name="model-deploy"),
    path("projects/<uuid:project>/endpoints/new/model/", views.select, name="model-select"),
]
