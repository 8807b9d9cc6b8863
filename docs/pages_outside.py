"""Put pages of the site that stand outside ``docs/`` where MkDocs finds them.

README.md is the site's first page; CONTRIBUTING.md, CHANGELOG.md and the results of benchmarks are
pages, too. Their links, and those to them, are right in the repository and are adapted here.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
RESULTS = "benchmarks/results"
_LINK = re.compile(r"(?<=\]\()([^)#:\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside ``docs/`` to those of the site."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    for path in sorted((ROOT / RESULTS).glob("*.*")):
        if path.suffix in (".md", ".svg"):
            files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, "CITATION.cff", abs_src_path=str(ROOT / "CITATION.cff")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Adapt the links of a page."""
    return _LINK.sub(lambda link: _on_site(link[1]), markdown)


def _on_site(link: str) -> str:
    link = link.removeprefix("../").removeprefix("docs/")
    if link.startswith(f"{RESULTS}/"):
        return link.replace(RESULTS, "results", 1)
    return PAGES.get(link, link)
