from django.urls import path

from studio.tenants import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("tenant/", views.switch_tenant, name="switch-tenant"),
    path("theme/", views.choose_theme, name="theme"),
]
