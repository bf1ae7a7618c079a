"""The OpenAPI document as a plain page: no script, no request to another host."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>inkdigits: HTTP API</title><link rel="stylesheet" href="/page.css"></head>
<body class="docs"><main><h1>inkdigits: HTTP API</h1>
<p>The same document for programs: <a href="/openapi.json">/openapi.json</a>.</p>
<pre><code>curl --data-binary @cheque.png -H 'Content-Type: image/png' 'HOST/v1/read?length=5'
curl -F file=@a.png -F file=@b.jpg HOST/v1/read</code></pre>
"""


def docs_page(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI `document`."""
    parts = [
        operation(path, method, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]
    return HEAD + "".join(parts) + "</main></body></html>"


def operation(path: str, method: str, told: dict[str, Any]) -> str:
    """Return the section of one operation."""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td>"
        f"<td>{escape(one.get('description', ''))}</td>"
        f"<td>{escape(values_of(one['schema']))}</td>"
        f"<td>{escape(str(one['schema'].get('default', '')))}</td></tr>"
        for one in told.get("parameters", [])
    )
    head = "<tr><th>query</th><th></th><th>values</th><th>default</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else ""
    text = " ".join(told[key] for key in ("summary", "description") if key in told)
    answers = "".join(answer(code, given) for code, given in told["responses"].items())
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{as_html(text)}</p>{table}"
        f"<dl>{answers}</dl></section>"
    )


def as_html(text: str) -> str:
    """Return `text` as HTML, what stands between backquotes as code."""
    return re.sub("`(.*?)`", r"<code>\1</code>", escape(text))


def values_of(schema: dict[str, Any]) -> str:
    """Return in words what a `schema` allows."""
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind = {"integer": "whole number", "number": "number"}.get(schema["type"], "text")
    if schema.get("format") == "regex":
        kind = "regular expression"
    if "maximum" in schema:
        return f"{kind}, {schema['minimum']}–{schema['maximum']}"
    return f"{kind}, {schema['minimum']} or more" if "minimum" in schema else kind


def answer(code: str, given: dict[str, Any]) -> str:
    """Return one possible answer, with its example where there is one."""
    content = given.get("content", {}).get("application/json", {})
    example = (
        f"<pre><code>{escape(json.dumps(content['example']))}</code></pre>"
        if ("example" in content and code == "200")
        else ""
    )
    return f"<dt>{escape(code)}</dt><dd>{escape(given.get('description', ''))}{example}</dd>"
