"""The names of Ray that are private or undocumented, which `ray_tune.py` uses: a change of Ray fails here."""

import inspect
from pathlib import Path

import pytest

SETTINGS = ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "TUNE_DISABLE_SIGINT_HANDLER", "TUNE_MAX_PENDING_TRIALS_PG")


def test_the_title_of_a_process_can_be_set():
    import ray._raylet

    assert callable(ray._raylet.setproctitle), "see set_process_title in search/engines/ray_tune.py"


@pytest.mark.parametrize("name", SETTINGS)
def test_ray_still_reads_its_settings(name):
    import ray.air
    import ray.tune

    folders = [Path(next(iter(package.__path__))) for package in (ray.tune, ray.air)]
    sources = (path.read_text() for folder in folders for path in folder.rglob("*.py"))
    assert any(name in source for source in sources), f"Ray has no setting {name}: see ray_tune.py"


def test_a_searcher_may_have_no_job_now():
    """Tune takes None for "no job now" and FINISHED for "no more jobs"."""
    from ray.tune.search import Searcher, search_generator

    assert Searcher.FINISHED == "FINISHED"
    source = inspect.getsource(search_generator.SearchGenerator)
    assert "Searcher.FINISHED" in source
    assert "is None" in source


def test_tune_asks_for_the_class_of_an_error_by_a_name_that_can_be_set():
    """Tune itself takes only RayActorError for the death of a worker."""
    from ray.air.execution._internal import actor_manager
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.tune.execution import tune_controller

    from search.engines import ray_tune  # noqa: F401 (sets it)

    for module in (actor_manager, tune_controller):
        assert "isinstance(exception, RayActorError)" in inspect.getsource(module), "see ray_tune.py"
        assert {RayActorError, OutOfMemoryError} <= set(module.RayActorError)


def test_tune_counts_callbacks_by_a_name_that_can_be_set():
    from ray.air._internal import usage
    from ray.tune import tune

    from search.engines import ray_tune  # noqa: F401 (sets it)

    assert "air_usage.tag_callbacks(callbacks)" in inspect.getsource(tune), "see ray_tune.py"
    assert tune.air_usage is usage and usage.tag_callbacks([object()]) is False


def test_ray_still_reads_whether_a_cluster_can_have_one_machine_only():
    from ray._private import ray_constants

    assert ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR == "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "see ray_tune.py"


def test_ray_still_says_that_memory_is_low():
    import ray

    from search.engines.ray_searcher import LOW_MEMORY

    assert (
        LOW_MEMORY.encode()
        in Path(ray.__path__[0], "_raylet.so").read_bytes()
        + Path(ray.__path__[0], "core/src/ray/raylet/raylet").read_bytes()
    )


def test_the_types_of_nodes_tell_whether_a_cluster_grows():
    """A cluster without an autoscaler has made-up types; both are read from the same place in Ray's store."""
    from ray._private import ray_constants
    from ray.autoscaler._private import monitor
    from ray.autoscaler._private.readonly import node_provider
    from ray.autoscaler._private.util import format_readonly_node_type

    from search.engines.ray_join import UNTYPED

    assert ray_constants.DEBUG_AUTOSCALING_STATUS == "__autoscaling_status", "see scales in ray_join.py"
    assert '"autoscaler_report"' in inspect.getsource(monitor)
    assert "format_readonly_node_type" in inspect.getsource(node_provider)
    assert format_readonly_node_type("1").startswith(UNTYPED)


def test_ray_still_has_the_calls_that_joining_needs():
    import ray.core.generated.gcs_service_pb2_grpc as services
    from ray._private.authentication import authentication_token_setup
    from ray._private.grpc_utils import init_grpc_channel

    assert "CheckAlive" in inspect.getsource(services.NodeInfoGcsServiceStub), "see silence in ray_join.py"
    assert callable(authentication_token_setup.maybe_enable_token_auth_if_token_available)
    assert callable(init_grpc_channel)
