"""The files of docs/cluster/ against their schemas: Ray's own, and one of those fields of KubeRay in use.
v1, `ray-operator/apis/ray/v1` of KubeRay) that the file uses, and allows no others.
"""

import json
import shlex
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

from search.config.run_config import resolve

FOLDER = Path(__file__).parents[1] / "docs" / "cluster"


def fields(required=(), **properties):
    """An object with these fields and no others."""
    required = list(required)
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


TEXT, COUNT, SWITCH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def some(item):
    return {"type": "array", "minItems": 1, "items": item}


CONTAINER = fields(
    ("name", "image"),
    name=TEXT,
    image=TEXT,
    resources=fields(requests=TEXTS, limits=TEXTS),
    volumeMounts=some(fields(("name", "mountPath"), name=TEXT, mountPath=TEXT)),
)
CLAIM = fields(("claimName",), claimName=TEXT)
VOLUME = fields(("name", "persistentVolumeClaim"), name=TEXT, persistentVolumeClaim=CLAIM)
POD = fields(("containers",), containers=some(CONTAINER), volumes=some(VOLUME))
TEMPLATE = fields(("spec",), spec=POD)
WORKERS = fields(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName=TEXT,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    rayStartParams=TEXTS,
    template=TEMPLATE,
)
CLUSTER = fields(
    ("headGroupSpec",),
    rayVersion=TEXT,
    enableInTreeAutoscaling=SWITCH,
    headGroupSpec=fields(("rayStartParams", "template"), rayStartParams=TEXTS, template=TEMPLATE),
    workerGroupSpecs=some(WORKERS),
)
SPEC = fields(
    ("entrypoint", "rayClusterSpec"),
    entrypoint=TEXT,
    shutdownAfterJobFinishes=SWITCH,
    ttlSecondsAfterFinished=COUNT,
    rayClusterSpec=CLUSTER,
)
RAYJOB = fields(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=fields(("name",), name=TEXT),
    spec=SPEC,
)


def test_the_file_for_ray_up_is_valid():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    config = yaml.safe_load((FOLDER / "ray-up.yaml").read_text())
    jsonschema.validate(config, schema)
    assert config["head_node_type"] in config["available_node_types"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config | {"worker_types": 1}, schema)


def test_the_job_for_kuberay_is_valid():
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text())
    jsonschema.validate(job, RAYJOB)
    version = ray.__version__
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == version, "the version that is checked here"
    command = shlex.split(job["spec"]["entrypoint"])
    assert command[:4] == ["python", "-m", "search", "run"]
    config = resolve(command[4:])
    assert config.cluster == "auto"
    groups = [
        job["spec"]["rayClusterSpec"]["headGroupSpec"],
        *job["spec"]["rayClusterSpec"]["workerGroupSpecs"],
    ]
    for group in groups:
        pod = group["template"]["spec"]
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts["/shared"] in {volume["name"] for volume in pod["volumes"]}
    assert config.storage.startswith("/shared/")
