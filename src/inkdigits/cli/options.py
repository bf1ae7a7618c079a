"""Options that several verbs share, each told once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    str | None,
    typer.Option("--data", help="auto, mnist, digits, or a folder (IDX files or labelled images)."),
]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe; repeatable."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
HostOption = Annotated[str, typer.Option("--host", help="The address to listen at.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="An ONNX artefact (default: the bundled model).")
]
LayoutOption = Annotated[
    str, typer.Option("--layout", help="What an image holds: auto, digit, line or page.")
]
LengthOption = Annotated[
    int | None, typer.Option("--length", metavar="N", help="A number has so many digits.")
]
PatternOption = Annotated[
    str | None, typer.Option("--pattern", metavar="REGEX", help="A number matches this, whole.")
]
ChecksumOption = Annotated[
    str | None, typer.Option("--checksum", metavar="NAME", help="A number passes this: luhn, ean …")
]
MaxOption = Annotated[
    int | None, typer.Option("--max", metavar="N", help="A number is at most this.")
]
TopOption = Annotated[
    int, typer.Option("--top", metavar="K", help="Tell so many texts of each number (--json).")
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="On this Ray cluster; local starts one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
