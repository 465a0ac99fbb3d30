"""What `make check` makes of the answers of pip-audit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit"
SAFE = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
HARMFUL = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNMENDED = {"name": "d", "version": "1", "vulns": [{"id": "CVE-2", "fix_versions": []}]}


@pytest.mark.parametrize(
    "packages, code, said",
    [
        ([], 0, "nothing was checked"),
        ([UNKNOWN], 0, "nothing was checked"),
        ([SAFE, UNKNOWN], 0, "1 packages checked, 1 not known there, 0 vulnerabilities"),
        ([SAFE, UNMENDED], 0, "d 1: CVE-2, fixed in no version yet"),
        ([SAFE, HARMFUL], 1, "c 2: CVE-1, fixed in 3"),
    ],
)
def test_vulnerabilities_that_a_later_version_mends_are_an_error(packages, code, said, tmp_path):
    (tmp_path / "answer").write_text(json.dumps({"dependencies": packages}) if packages else "")
    ran = subprocess.run([sys.executable, AUDIT, tmp_path / "answer"], capture_output=True, text=True)
    assert ran.returncode == code
    assert said in ran.stdout
