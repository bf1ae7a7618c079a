"""The OpenAPI document of the service."""

from __future__ import annotations

from functools import cache
from typing import Any

from inkdigits import __version__
from inkdigits.serving.query import CHECKSUMS, LAYOUTS, MOST_LENGTH, MOST_TOP

READING = {
    "image": "cheque.png",
    "status": "ok",
    "text": "2348",
    "confidence": 0.987,
    "numbers": [{"text": "2348", "confidence": 0.987, "box": [12, 8, 140, 44], "digits": []}],
}
REFUSALS = {
    "400": (
        "An option is wrong.",
        "length must be a whole number of 1 to 512, got 'x'.",
        "",
    ),
    "401": (
        "The key is missing or wrong.",
        "this service needs its key.",
        "Send it as `Authorization: Bearer KEY` or `X-API-Key`.",
    ),
    "408": (
        "The request did not arrive in time.",
        "the request did not arrive within 10 s.",
        "Send it faster.",
    ),
    "413": (
        "Too many bytes or files.",
        "a request may have 32 files.",
        "Send fewer at once.",
    ),
    "415": (
        "The body is said to be no image.",
        "a body of type 'text/html' is no image.",
        "Send image/*, application/pdf, application/octet-stream or multipart/form-data.",
    ),
    "422": (
        "No image that can be used; what is known of it, or of the form.",
        "the form has no file.",
        "Send each image as a file of the form.",
    ),
    "429": (
        "The queue is full.",
        "64 requests are waiting already.",
        "Ask again later.",
    ),
    "500": (
        "A fault of the service.",
        "unexpected MemoryError.",
        "Please report it.",
    ),
    "503": (
        "The service starts, or is about to stop.",
        "the service is starting.",
        "Ask again in a moment.",
    ),
}
"""Of each error: what it means, and the message and hint of an example."""
BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "required": True,
    "content": {
        "image/*": BINARY,
        "application/pdf": BINARY,
        "application/octet-stream": BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "array", "minItems": 1, "items": BINARY["schema"]},
                },
            }
        },
    },
}


@cache
def openapi() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "inkdigits",
            "version": __version__,
            "summary": "Reads handwritten digits and numbers.",
        },
        "paths": {
            "/v1/read": {"post": read()},
            "/v1/inspect": {"post": inspect()},
            "/v1/model": {"get": model()},
            "/healthz": {"get": health("Answer as long as the process lives.", False)},
            "/readyz": {
                "get": health("Answer 503 until an image was read, and while it stops.", True)
            },
            "/metrics": {"get": metrics()},
        },
        "components": {
            "schemas": {"Reading": reading(), "Error": error()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def read() -> dict[str, Any]:
    """Return the operation that reads."""
    one = {"$ref": "#/components/schemas/Reading"}
    several = {
        "type": "object",
        "required": ["readings"],
        "properties": {"readings": {"type": "array", "items": one}},
    }
    answer = {"application/json": {"schema": {"anyOf": [one, several]}, "example": READING}}
    refused = refusals()
    refused["422"]["content"]["application/json"]["schema"] = {
        "anyOf": [one, {"$ref": "#/components/schemas/Error"}]
    }
    return {
        "operationId": "read",
        "summary": "Read the digits and numbers in an image, or in each file of a form.",
        "description": "One image is answered by its reading, the JSON that `inkdigits read --json`"
        " prints; a form of several by `readings`, each with its own status.",
        "parameters": parameters(),
        "requestBody": BODY,
        "security": security(),
        "responses": {"200": {"description": "What was read.", "content": answer}} | refused,
    }


def inspect() -> dict[str, Any]:
    """Return the operation that draws."""
    return {
        "operationId": "inspect",
        "summary": "Draw every stage of reading an image, as `inkdigits inspect` does.",
        "description": "Of several files the first is drawn.",
        "parameters": parameters(),
        "requestBody": BODY,
        "security": security(),
        "responses": {"200": {"description": "A picture.", "content": {"image/png": BINARY}}}
        | refusals(),
    }


def model() -> dict[str, Any]:
    """Return the operation that tells of the model."""
    answer = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "model",
        "summary": "What the model says about itself.",
        "security": security(),
        "responses": {
            "200": {"description": "The artefact's metadata.", "content": answer},
            "401": refusal("401"),
        },
    }


def health(summary: str, may_fail: bool) -> dict[str, Any]:
    """Return an operation that tells how the service is."""
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}},
    }
    answers = {
        "200": {"description": "It is.", "content": {"application/json": {"schema": schema}}}
    }
    return {
        "summary": summary,
        "responses": answers | ({"503": refusal("503")} if may_fail else {}),
    }


def metrics() -> dict[str, Any]:
    """Return the operation that Prometheus asks."""
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": "The figures that Prometheus collects.",
        "responses": {"200": {"description": "Figures.", "content": text}},
    }


def parameters() -> list[dict[str, Any]]:
    """Return the options of a reading."""
    return [
        option("layout", "What an image holds.", {"enum": list(LAYOUTS), "default": "auto"}),
        option(
            "length",
            "A number has so many digits.",
            {"type": "integer", "minimum": 1, "maximum": MOST_LENGTH},
        ),
        option("pattern", "A number matches it, whole.", {"type": "string", "format": "regex"}),
        option("checksum", "A number passes it.", {"enum": list(CHECKSUMS)}),
        option("max", "The largest number.", {"type": "integer", "minimum": 0}),
        option(
            "top",
            "So many texts of each number.",
            {"type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": 1},
        ),
        option(
            "target_error",
            "At most this share of what is read is wrong.",
            {"type": "number", "minimum": 0, "maximum": 1},
        ),
        option("name", "How the reading calls the body.", {"type": "string", "default": "image"}),
    ]


def option(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return one option of the query."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def security() -> list[dict[str, list[str]]]:
    """Return that a key may be asked, and in which ways it is given."""
    return [{}, {"bearer": []}, {"key": []}]


def refusals() -> dict[str, Any]:
    """Return every error of a reading."""
    return {code: refusal(code) for code in REFUSALS}


def refusal(code: str) -> dict[str, Any]:
    """Return one error in the shape that all have."""
    told, message, hint = REFUSALS[code]
    example = {"error": {"status": int(code), "message": message, "hint": hint}}
    schema = {"$ref": "#/components/schemas/Error"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": told, "content": content}


def reading() -> dict[str, Any]:
    """Return the shape of a reading."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    number = {
        "type": "object",
        "required": ["text", "confidence", "box", "digits"],
        "properties": {
            "text": {"type": "string"},
            "confidence": share,
            "box": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
            "digits": {"type": "array", "items": {"type": "object"}},
        },
    }
    return {
        "type": "object",
        "required": ["image", "status", "text", "confidence", "numbers"],
        "properties": {
            "image": {"type": "string"},
            "status": {"enum": ["ok", "rejected", "error"]},
            "text": {"type": "string"},
            "confidence": share,
            "numbers": {"type": "array", "items": number},
        },
    }


def error() -> dict[str, Any]:
    """Return the shape of an error."""
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["status", "message", "hint"],
                "properties": {
                    "status": {"type": "integer"},
                    "message": {"type": "string"},
                    "hint": {"type": "string"},
                },
            }
        },
    }
