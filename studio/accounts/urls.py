from django.urls import path
from django.views.generic.base import RedirectView

from studio.accounts import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("account/", views.account, name="account"),
    path("account/sessions/end/", views.end_sessions, name="sessions-end"),
    path("account/sessions/<uuid:session>/end/", views.end_session, name="session-end"),
    path("account/platform-key/", views.platform_key, name="platform-key"),
    path("account/password/", views.password, name="password"),
    # Of the administration's own pages those that would go around ours.
    path("admin/login/", views.admin_sign_in),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
]
