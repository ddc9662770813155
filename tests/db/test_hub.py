"""The shipped catalogue in the hub, and which runtime serves what."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from studio.errors import Invalid, NotFound
from studio.hub import selectors
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.hub.rules import check_template
from studio.hub.services import BUILT_IN, import_catalogue, renew_catalogue
from tests.support.cast import NOW

TABLES = (DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion)


def rows() -> dict[str, list[tuple]]:
    return {table.__name__: list(table.objects.order_by("pk").values_list()) for table in TABLES}


@pytest.fixture
def imported(cast) -> None:
    """Over the hub that the cast finds, as over one that an earlier version filled."""
    import_catalogue(store=settings.CHECKPOINT_STORE, now=NOW)


def test_the_embedding_model_is_there_with_its_app_and_where_it_runs(imported):
    model = Model.objects.select_related("app").get(name="Tiny-Embed")
    assert (model.app.name, model.app.task, model.is_provided) == ("Tiny Embeddings", "embedding", True)
    assert [version.number for version in model.versions.all()] == [1]
    options = selectors.options_of(model)
    assert [(option.generation_id, option.rdus) for option in options] == [("SN40L", 1), ("SN30", 1)]


def test_importing_again_changes_nothing(imported):
    before = rows()
    import_catalogue(store=settings.CHECKPOINT_STORE, now=NOW)
    assert rows() == before


def test_an_earlier_versions_rows_are_kept_and_brought_up_to_date(cast):
    runtime = Runtime.objects.get(name="built-in")
    assert (runtime.argv, runtime.parallel) == (["server"], 0)
    call_command("importmodels", verbosity=0)
    runtime.refresh_from_db()
    assert runtime.argv[-1] == "--parallel={parallel}"
    assert runtime.parallel == 4
    cast.help.refresh_from_db()
    assert cast.help.versions.count() == 2


def test_what_was_imported_is_renewed_at_a_start_and_an_empty_hub_stays_empty(db):
    renew_catalogue(store=settings.CHECKPOINT_STORE, now=NOW)
    assert not Runtime.objects.exists()
    import_catalogue(store=settings.CHECKPOINT_STORE, now=NOW)
    Model.objects.get(name="Tiny-Embed").delete()
    renew_catalogue(store=settings.CHECKPOINT_STORE, now=NOW)
    assert Model.objects.filter(name="Tiny-Embed").exists()


def test_preparing_an_existing_data_folder_brings_the_new_rows(cast, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("STUDIO_DATA_DIR", str(tmp_path))
    call_command("prepare", verbosity=0)
    assert Model.objects.filter(name="Tiny-Embed").exists()
    assert set(BUILT_IN) <= set(Runtime.objects.values_list("name", flat=True))


# --- which runtime serves what ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "runtime", "warmup"),
    [
        ("Help", "built-in", "/v1/completions"),
        ("Tiny-Embed", "built-in embeddings", "/v1/embeddings"),
    ],
)
def test_an_endpoint_gets_the_runtime_of_its_apps_task(cast, imported, model, runtime, warmup):
    endpoint = cast.endpoint(model=model)
    found = endpoint.runtime_version.runtime
    assert (found.name, found.warmup_path, found.parallel) == (runtime, warmup, 4)
    assert ("--embedding" in found.argv) is (model == "Tiny-Embed")
    assert endpoint.rows.get().runtime_version == endpoint.runtime_version


def test_an_operators_runtime_of_another_task_changes_nothing(cast, imported):
    """It comes first by name."""
    own = Runtime.objects.create(name="a server", task="embedding", argv=["own"], token_env="TOKEN")
    RuntimeVersion.objects.create(runtime=own, number=1)
    assert cast.endpoint(model="Help").runtime_version.runtime.name == "built-in"
    assert cast.endpoint(model="Tiny-Embed").runtime_version.runtime == own


def test_without_a_runtime_for_the_task_there_is_no_endpoint(cast, imported):
    Runtime.objects.filter(task="embedding").delete()
    with pytest.raises(NotFound, match="No runtime for embedding is installed"):
        cast.endpoint(model="Tiny-Embed")


@pytest.mark.parametrize(("parallel", "accepted"), [(0, False), (1, True), (4, True)])
def test_a_template_may_only_ask_for_a_number_that_is_known(parallel: int, accepted: bool):
    argv = ["serve", "--parallel", "{parallel}"]
    if accepted:
        check_template(argv, parallel)
    else:
        with pytest.raises(Invalid, match=r"\{parallel\} is not a field"):
            check_template(argv, parallel)
