"""The documentation site: Sphinx with MyST, from the Markdown that GitHub shows too."""

from __future__ import annotations

from analyzer import __version__

project = "analyzer"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["index.md"]  # index.rst takes it in
html_theme = "furo"
html_title = "analyzer"
html_show_copyright = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3  # links to headings, as GitHub writes them
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
nitpicky = False  # numpy's and msgspec's types have no inventory here: the site is built without a network
suppress_warnings = ["misc.highlighting_failure"]
