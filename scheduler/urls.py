from django.urls import path

from scheduler import views

urlpatterns = [
    path("resources/", views.resources, name="resources"),
    path("resources/nodes/new/", views.new_node, name="node-new"),
    path("resources/nodes/<str:node>/cordon/", views.cordon, name="node-cordon"),
    path("resources/nodes/<str:node>/uncordon/", views.uncordon, name="node-uncordon"),
    path("resources/nodes/<str:node>/drain/", views.drain, name="node-drain"),
    path("resources/nodes/<str:node>/undrain/", views.undrain, name="node-undrain"),
    path("resources/nodes/<str:node>/assign/", views.assign, name="node-assign"),
    path("resources/nodes/<str:node>/remove/", views.remove, name="node-remove"),
]
