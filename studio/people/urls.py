from django.urls import path

from studio.people import views

urlpatterns = [
    path("tenants/", views.tenants, name="tenants"),
    path("tenants/new/", views.new_tenant, name="tenant-new"),
    path("tenants/<str:tenant>/edit/", views.edit_tenant, name="tenant-edit"),
    path("tenants/<str:tenant>/quota/", views.tenant_quota, name="tenant-quota"),
    path("tenants/<str:tenant>/archive/", views.archive_tenant, name="tenant-archive"),
    path("tenants/<str:tenant>/unarchive/", views.unarchive_tenant, name="tenant-unarchive"),
    path("users/", views.users, name="users"),
    path("users/new/", views.new_user, name="user-new"),
    path("users/<str:user>/edit/", views.edit_user, name="user-edit"),
    path("users/<str:user>/password/", views.reset_password, name="user-password"),
    path("users/<str:user>/deactivate/", views.deactivate_user, name="user-deactivate"),
    path("users/<str:user>/reactivate/", views.reactivate_user, name="user-reactivate"),
]
