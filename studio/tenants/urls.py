from django.urls import path

from studio.tenants import views

urlpatterns = [
    path("tenant/", views.switch_tenant, name="switch-tenant"),
    path("theme/", views.choose_theme, name="theme"),
]
