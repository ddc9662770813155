from django.urls import path

from apikeys import views

urlpatterns = [
    path("endpoints/<uuid:endpoint>/keys/new/", views.new, name="key-new"),
    path("endpoints/<uuid:endpoint>/keys/<uuid:key>/edit/", views.edit, name="key-edit"),
    path("endpoints/<uuid:endpoint>/keys/<uuid:key>/limits/", views.limits, name="key-limits"),
    path("endpoints/<uuid:endpoint>/keys/<uuid:key>/rotate/", views.rotate, name="key-rotate"),
    path("endpoints/<uuid:endpoint>/keys/<uuid:key>/revoke/", views.revoke, name="key-revoke"),
    path("tenants/<uuid:tenant>/values-once/", views.values_once, name="tenant-values"),
]
