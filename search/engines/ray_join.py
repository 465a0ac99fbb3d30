"""Joining a Ray cluster that others run: its token, whether it answers, what it has or could have.

A cluster may ask for a token. Ray shows one only where RAY_AUTH_MODE is set, or to a cluster that it has
found itself; here a user's token is shown to any cluster that is joined. One without tokens ignores it.

Private names of Ray, checked with 2.60 by tests/search/engines/test_ray_private.py: the imports from
`ray._private` and `ray.core`.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, final

import grpc
import ray
from ray._private import services, state
from ray._private.authentication import authentication_token_setup as tokens
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from spaces.messages import one_line

ANSWER_SECONDS = 5.0
STORE_PATIENCE = 40.0  # seconds that a cluster may take to restart its control store; Ray itself waits 60
NO_CLIENT = "Ray's client can't run a search; start it on a machine of the cluster, or with `ray job submit`"
NO_TOKEN = "it asks for another token: put it into ~/.ray/auth_token, or name its file in RAY_AUTH_TOKEN_PATH"


def wanted() -> str | None:
    """The cluster to join, in RAY_ADDRESS; None for one of its own on this machine."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def join(address: str) -> Any:
    """Joins the cluster at `HOST:PORT`, or the one that runs here (`auto`); returns Ray's context.

    Raises ValueError if nothing answers there, or it does not accept this user's token.
    """
    try:
        if "://" in address:
            raise ConnectionError(NO_CLIENT if address.startswith("ray://") else "it must be HOST:PORT")
        logging.getLogger("ray").setLevel(logging.ERROR)
        tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
        place = services.canonicalize_bootstrap_address_or_die(address)
        if why := silence(place):
            raise ConnectionError(why)
        return ray.init(address=place, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise ValueError(
            f"Ray's cluster at {address} can't be joined: {one_line(error)} (cluster=... or RAY_ADDRESS)"
        ) from error


def silence(address: str) -> str | None:
    """Why the control store of a cluster does not answer; None if it does. Ray itself would try for long."""
    store = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(init_grpc_channel(address))
    try:
        store.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=ANSWER_SECONDS)
    except grpc.RpcError as error:
        refused = error.code() is grpc.StatusCode.UNAUTHENTICATED
        return NO_TOKEN if refused else f"nothing answers there: {error.details()}"
    return None


def resources() -> Mapping[str, float]:
    """What the cluster has, or could have: an autoscaler may bring further nodes, up to its own limits."""
    now = ray.cluster_resources()
    most = state.state.get_max_resources_from_cluster_config() or {}
    return {kind: max(now.get(kind, 0.0), float(most.get(kind, 0.0))) for kind in {*now, *most}}


@final
class Parts:
    """The parts of a cluster that this process needs: its control store, and the raylet of this node."""

    def __init__(self) -> None:
        here = ray.get_runtime_context()
        node = next(node for node in ray.nodes() if node["NodeID"] == here.get_node_id())
        self.store: str = here.gcs_address
        self.raylet: tuple[str, int] = node["NodeManagerAddress"], node["NodeManagerPort"]
        self.heard = time.monotonic()

    def gone(self) -> str | None:
        """The part that has died; None if both are there."""
        try:
            socket.create_connection(self.raylet, ANSWER_SECONDS).close()
        except ConnectionRefusedError:
            return "raylet"
        except OSError:
            pass  # a machine that is short of something; Ray decides
        if silence(self.store) is None:
            self.heard = time.monotonic()
        return "gcs_server" if time.monotonic() - self.heard > STORE_PATIENCE else None
