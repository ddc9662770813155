from django.urls import path

from studio.standing import views

STREAM = "standing/"

urlpatterns = [path(STREAM, views.standing, name="standing")]
