"""Searches over several raylets on this machine, whose nodes may vanish."""

import os
from itertools import groupby
from threading import Thread

import pytest

from search.core.job import State
from tests.search.engines.nodes import Placed, placed

pytestmark = pytest.mark.cluster
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}


@pytest.fixture
def cluster():
    """`cluster(n)`: a cluster of a head without a processor and of n nodes with one each; it is joined."""
    import ray
    from ray.cluster_utils import Cluster

    clusters = []

    def start(nodes):
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": HEALTH}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "object_store_memory": 100 * 2**20})
        clusters.append(cluster)
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        ray.init(address=cluster.address, log_to_driver=False)
        return cluster

    yield start
    ray.shutdown()
    for cluster in clusters:
        cluster.shutdown()


def search(queue, folder, nodes):
    """Runs the queue on the joined cluster."""
    from search.engines.ray_tune import RayEngine

    engine = RayEngine(Placed(str(folder), nodes), name="nodes", cpus_per_job=1, gpus_per_job=0)
    engine.run(queue)
    return engine


@pytest.mark.parametrize("nodes", [2, 4])
def test_a_search_uses_all_nodes_and_trials_go_on_wherever_there_is_room(
    nodes, cluster, make_queue, tmp_path
):
    cluster(nodes)
    queue = make_queue(trials=27, epochs=9, lanes=1)
    engine = search(queue, tmp_path, nodes)
    assert engine.workers == nodes
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE, State.STOPPED}
    jobs = sorted(placed(tmp_path))
    assert len({node for *_, node in jobs}) == nodes
    assert sorted((trial, last) for trial, _, last, _ in jobs) == [
        (number, epochs)
        for number, trial in sorted(queue.trials.items())
        for epochs in queue.plan.rungs[: len(trial.values)]
    ]
    of_trials = [list(rows) for _, rows in groupby(jobs, key=lambda row: row[0])]
    assert any(len({node for *_, node in rows}) > 1 for rows in of_trials), "none has moved"


def test_a_node_that_is_killed_takes_no_trial_with_it(cluster, make_queue, tmp_path):
    """Its job is lost and tried again elsewhere; nothing that was finished is trained again."""
    import ray

    nodes = cluster(2)
    os.mkfifo(tmp_path / "stop")
    pipe = os.open(tmp_path / "stop", os.O_RDWR)
    killed = []

    def kill():
        node = os.read(pipe, 100).decode()
        killed.append(node)
        nodes.remove_node(next(n for n in nodes.worker_nodes if n.node_id == node), allow_graceful=False)

    thread = Thread(target=kill)
    thread.start()
    queue = make_queue(trials=18, epochs=9, lanes=1)
    lost = []
    lose = queue.lose
    queue.lose = lambda job, cause: (lost.append((job, cause)), lose(job, cause))
    engine = search(queue, tmp_path, 2)
    thread.join()
    os.close(pipe)
    assert engine.workers == 1
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE, State.STOPPED}
    jobs = placed(tmp_path)
    assert len({(trial, last) for trial, _, last, _ in jobs}) == len(jobs), "a rung was trained twice"
    assert lost
    for job, _ in lost:
        (node,) = (node for trial, _, last, node in jobs if (trial, last) == (job.lanes[0].number, job.last))
        assert node != killed[0]
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    assert killed[0] not in alive
