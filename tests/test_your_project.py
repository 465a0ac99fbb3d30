"""docs/your-project.md: its notebook is executed, and its space files are those of searched projects."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "your-project.md").read_text()


def blocks(language):
    """The blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_space_files_are_those_of_the_tests():
    """tests/search/runs/test_projects.py searches, confirms and exports with them."""
    files = [ROOT / "tests" / "projects" / name / "space.yaml" for name in ("cli", "template")]
    assert blocks("yaml") == [file.read_text() for file in files]


@pytest.mark.slow
def test_the_notebook_searches_a_class_of_a_cell_draws_its_progress_and_confirms(tmp_path):
    cells = [nbformat.v4.new_code_cell(text) for text in blocks("python")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=400, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell["outputs"] for cell in notebook.cells]
    searched = "".join(str(one.get("data", "")) + str(one.get("text", "")) for one in outputs[1])
    assert "6 trials, rungs at epochs" in searched
    assert "<pre" in searched
    assert "Trainable.setup" not in searched
    assert re.fullmatch(r"\{'lr': [\d.e-]+, 'width': \d+\}", outputs[1][-1]["data"]["text/plain"])
    assert "param/width" in outputs[2][-1]["data"]["text/plain"]
    assert (tmp_path / "runs" / "first" / "source.py").read_text().startswith("class Net(L.LightningModule):")
