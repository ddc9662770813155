"""Creates that may be sent twice, without what they were answered: that holds keys."""

from django.contrib import admin

from studio.desk.shown import Shown, linked
from studio.repeats.models import Answered


@admin.register(Answered)
class AnsweredAdmin(Shown):
    list_display = ["key", linked("user"), "created_at"]
    list_select_related = ["user"]
    ordering = ["-pk"]
    search_fields = ["key", "user__username"]
    ids = ["user"]
