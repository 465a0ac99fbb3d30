"""Joining a Ray cluster that others run: its token, whether it answers, whether it grows.

A cluster may ask for a token. Ray shows one only where RAY_AUTH_MODE is set, or to a cluster that it has
found itself; here a user's token is shown to any cluster that asks for one. To show it to one that does not
would be wrong: this process would then refuse the calls of that cluster's workers, which have none.

Private names of Ray, checked with 2.60 by tests/search/engines/test_ray_private.py: the imports from
`ray._private` and `ray.core`.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, final

import grpc
import ray
from ray._private import services
from ray._private.authentication import authentication_token_setup as tokens
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc
from ray.experimental.internal_kv import _internal_kv_get

from spaces.messages import one_line

ANSWER_SECONDS = 5.0
STORE_PATIENCE = 40.0  # seconds that a cluster may take to restart its control store; Ray itself waits 60
ROUNDING = 1e-6  # of sums of GPUs
UNTYPED = "node_"  # begin of the type that Ray makes up for a node that no autoscaler has brought
NO_CLIENT = "Ray's client can't run a search; start it on a machine of the cluster, or with `ray job submit`"
NO_TOKEN = "it asks for another token: put it into ~/.ray/auth_token, or name its file in RAY_AUTH_TOKEN_PATH"


def wanted() -> str | None:
    """The cluster to join, in RAY_ADDRESS; None for one of its own on this machine."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def join(address: str, shows_output: bool) -> Any:
    """Joins the cluster at `HOST:PORT`, or the one that runs here (`auto`); returns the context of Ray.

    `shows_output`: whether this process prints the output of its workers.

    Raises ValueError if nothing answers there, or it does not accept this user's token.
    """
    try:
        if "://" in address:
            raise ConnectionError(NO_CLIENT if address.startswith("ray://") else "it must be HOST:PORT")
        place = services.canonicalize_bootstrap_address_or_die(address)
        if (why := silence(place)) == NO_TOKEN:
            logging.getLogger("ray").setLevel(logging.ERROR)  # else it warns of what is meant
            tokens.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
            why = silence(place)
        if why:
            raise ConnectionError(why)
        return ray.init(address=place, logging_level=logging.ERROR, log_to_driver=shows_output)
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


def scales() -> bool:
    """Whether an autoscaler may bring further nodes: its nodes have types, other nodes have none."""
    status = json.loads(_internal_kv_get("__autoscaling_status") or "{}")
    types = ((status.get("autoscaler_report") or {}).get("node_type_mapping") or {}).values()
    return any(not name.startswith(UNTYPED) for name in types)


def per_job(cpus: float, gpus: float | str, devices: int) -> dict[str, float]:
    """What a job asks for, given `cpus_per_job`, `gpus_per_job` and `devices_per_trial`.

    With several devices these are GPUs if the cluster has any and `gpus` does not say otherwise, else CPUs.
    """
    if gpus == "auto":
        gpus = devices if ray.cluster_resources().get("GPU", 0.0) else 0
    least = devices if devices > 1 and not gpus else 0
    return {"CPU": max(float(cpus), float(least)), "GPU": float(gpus)}


def shortage(per_job: Mapping[str, float], devices: int) -> str | None:
    """What a job needs and no node has, with the key to change; None if a job fits."""
    for kind, need in per_job.items():
        have = max((node.get(kind, 0.0) for node in nodes()), default=0.0)
        if need > have:
            key = "devices_per_trial" if 1 < devices == need else f"{kind.lower()}s_per_job"
            where = "the cluster has" if len(nodes()) == 1 else "a node of the cluster has at most"
            return f"{key} is {need:g}, but {where} {have:g} {kind}s ({key}=...)"
    return None


def workers(per_job: Mapping[str, float], scales: bool, held: Sequence[float] = ()) -> int:
    """Jobs to run at once: those that fit into the nodes of the cluster as it is now.

    In a cluster that scales a quarter more, at least one: those wait, and the autoscaler sees that. `held`
    are the GPUs of the running jobs: no further one where they leave too few.
    """
    left = sum(node.get("GPU", 0.0) for node in nodes()) - sum(held)
    if not scales and held and per_job["GPU"] > left + ROUNDING:
        return len(held)
    needs = [(kind, need) for kind, need in per_job.items() if need]
    fit = sum(min(int(node.get(kind, 0.0) / need) for kind, need in needs) for node in nodes())
    return max(1, fit + max(1, fit // 4) if scales else fit)


def nodes() -> list[Mapping[str, float]]:
    """What each node of the cluster has, by kind."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


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
