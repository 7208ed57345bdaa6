"""Sphinx settings: pages in Markdown, the API from docstrings, examples that are run; nothing is fetched."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "eeg2speech-bench"
author = copyright = "The eeg2speech-bench authors"
release = version = installed_version(project)

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/**.ipynb", "sg_execution_times.rst"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "footer_start": ["copyright"]}
html_sidebars = {"index": []}

myst_heading_anchors = 3
highlight_language = "none"

# `core.conditioning.Encoder` in a docstring is a link; see `find_ours`
default_role = "py:obj"
autosummary_generate = True
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
}

DOCS = Path(__file__).resolve().parent
#: pages whose text lies outside this folder, where readers of the repository look for it
ELSEWHERE = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "conduct": "CODE_OF_CONDUCT.md",
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
    "validity": "benchmarks/validity/README.md",
    "speed": "benchmarks/speed/README.md",
    "speech": "datasets/speech/README.md",
    "speech_licence": "datasets/speech/LICENSE.md",
    "shipped_weights": "core/generator/pretrained/README.md",
    "pretraining": "benchmarks/pretraining/README.md",
}
#: the target of a Markdown link to a file, which has no colon as an address has
LINKED_FILE = re.compile(r"(?<=\]\()[^)#:\s]+(?=[)#])")


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put in the text that lies elsewhere, and make links between files links between pages."""
    pages = {DOCS.parent / file: DOCS / f"{name}.md" for name, file in ELSEWHERE.items()}
    examples = DOCS.parent / "examples"
    pages |= dict.fromkeys((examples, examples / "README.rst"), DOCS / "auto_examples" / "index.rst")
    file = DOCS.parent / ELSEWHERE.get(docname, f"docs/{docname}.md")
    if docname in ELSEWHERE:
        source[0] = file.read_text(encoding="utf8") + "\n" + source[0]
        app.env.note_dependency(str(file))

    def to_page(match: re.Match[str]) -> str:
        target = (file.parent / match[0]).resolve()
        page = pages.get(target, target)
        return f"/{page.relative_to(DOCS).as_posix()}" if page.is_relative_to(DOCS) else match[0]

    source[0] = LINKED_FILE.sub(to_page, source[0])


def find_ours(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Element) -> Any:
    """Find a name that docstrings write from the room on: ``core.errors`` for ``eeg2speech_bench.core.errors``."""
    if node.get("refdomain") != "py":
        return None
    target = f"eeg2speech_bench.{node['reftarget']}"
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, text)


def setup(app: Sphinx) -> None:
    """Connect both to Sphinx."""
    app.connect("source-read", fill_in)
    app.connect("missing-reference", find_ours)
