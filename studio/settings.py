"""Django's settings. What an operator may choose comes from the environment; the rest is decided here."""

import sys
from pathlib import Path

import environ
import structlog

from studio import addresses, env
from studio.accounts.rules import LONGEST
from studio.secret import MaskedText

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.data_dir()

DEBUG = False
# The first one signs, those behind it are still believed: `manage.py rotate-keys`.
SECRET_KEY, *SECRET_KEY_FALLBACKS = map(MaskedText, env.secret("secret_key").reveal().split(","))
ALLOWED_HOSTS = env.words("STUDIO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_FAILURE_VIEW = "studio.htmx.csrf_failed"
CSRF_TRUSTED_ORIGINS = env.words("STUDIO_TRUSTED_ORIGINS", env.public_url())
TRUSTED_PROXIES = addresses.trusted_proxies()
PUBLIC_URL = env.public_url()
PROVIDER = env.text("STUDIO_PROVIDER", "SambaNova")

INSTALLED_APPS = [
    "studio.desk.apps.DeskConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "guardian",
    "ninja",
    "studio.audit",
    "studio.tenants",
    "studio.accounts",
    "studio.repeats",
    "studio.projects",
    "studio.hub",
    "endpoints",
    "studio.sharing",
    "apikeys",
    "endpoints.usage",
    "scheduler",
    "studio",
]

MIDDLEWARE = [
    "studio.middleware.Source",
    # What tells browsers to be careful stands on every answer, so these come before whoever answers by itself.
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Pages and files; each answer gets some bytes of chance, so that its length tells nothing of a token in it.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.bounds.NotKept",
    "studio.bounds.Storable",
    "studio.middleware.RequestId",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "studio.middleware.SignedIn",
    "studio.middleware.Refusals",
]

ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["studio.templatetags.drawn"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# ----- database -------------------------------------------------------------------------------------------
# SQLite takes its one write lock at BEGIN: a read that turns into a write would otherwise fail at once,
# whatever the timeout. Hence no ATOMIC_REQUESTS, and nothing slow inside atomic().

DATABASES = {
    "default": environ.Env.db_url_config(
        env.text("STUDIO_DATABASE_URL", f"sqlite:///{DATA_DIR / 'studio.sqlite3'}")
    )
}
DATABASES["default"]["PASSWORD"] = MaskedText(DATABASES["default"].get("PASSWORD") or "")
SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=27103364;"
            " PRAGMA cache_size=2000;"
        ),
    }
    DATABASES["default"]["TEST"] = {"NAME": env.text("STUDIO_TEST_SQLITE") or None}
else:
    OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})  # what the address says comes first
    # No query here is long enough to be worth compiling, and the guess that one is costs half a second.
    OPTIONS.setdefault("options", "-c jit=off")
    OPTIONS["server_side_binding"] = True  # only such statements can be prepared
    if env.flag("STUDIO_DATABASE_POOL", False):
        # A statement that comes again is parsed and planned once for each connection, which is most of its cost.
        OPTIONS.setdefault("prepare_threshold", 3)
        # Who waits for a row holds a connection meanwhile, so the others wait longer than for a busy moment.
        OPTIONS["pool"] = {"min_size": 1, "max_size": 16, "timeout": 30}
        DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a database that was started anew broke them all
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ----- people ---------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "studio.accounts.sessions.People",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "studio.accounts.passwords.NotGuessed"},
]
ANONYMOUS_USER_NAME = None  # guardian: nobody is anonymous here
GUARDIAN_MONKEY_PATCH_USER = False
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "sign-in"

# ----- the browser ----------------------------------------------------------------------------------------

SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
# The prefix binds a cookie to this one host and to https; browsers refuse it without.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    ("__Host-sessionid", "__Host-csrftoken") if SECURE else ("sessionid", "csrftoken")
)
SESSION_ENGINE = "studio.accounts.sessions"
SESSION_COOKIE_AGE = int(LONGEST.total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = (
    "HTTP_X_FORWARDED_PROTO",
    "https",
)  # of trusted proxies only (studio.middleware.Source)
SECURE_SSL_REDIRECT = SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked on the machine itself, where there is no certificate
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
# A list that is built into browsers, for a whole domain and hard to leave: its owner's decision, not ours.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # forms and management bodies; checkpoints do not come this way

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.text("STUDIO_STATIC_ROOT") or None  # for a web server that serves files by itself
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "studio.formats"

# ----- what the services need -----------------------------------------------------------------------------

USAGE_DAYS = env.number("STUDIO_USAGE_DAYS", 60, least=1, most=3650)
AUDIT_DAYS = env.number("STUDIO_AUDIT_DAYS", 0, least=0, most=36500)  # 0: kept for ever
CHECKPOINT_STORE = Path(env.text("STUDIO_STORE", str(BASE_DIR / "studio" / "hub" / "shipped")))

# ----- logs: one JSON line per event, never local variables (they may hold a key) --------------------------

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),  # standard output belongs to commands
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.text("STUDIO_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "ERROR"},
        # Several tasks a second that come and succeed are no news.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
