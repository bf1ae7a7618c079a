"""The page as files: where they are, and what a browser may load with them."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parent / "page"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What runs the model in a browser, in PAGE/vendor once `make vendor` has fetched it."""
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'"
)
"""The content security policy: files of the same host, and WebAssembly from among them."""
