"""The options that say what is asked: `prompt` sends it, `estimate` only counts it."""

from __future__ import annotations

from typing import Annotated

import typer

System = Annotated[str, typer.Option("--system", "-s", metavar="TEXT", help="The system prompt.")]
Files = Annotated[list[str] | None, typer.Option("--file", "-f", metavar="FILE", help="A text to put in front.")]
Attachments = Annotated[
    list[str] | None, typer.Option("--attachment", "-a", metavar="FILE|URL", help="An image, a PDF or a recording.")
]
NoStdin = Annotated[bool, typer.Option("--no-stdin", help="Do not read standard input.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, metavar="N", help="The most output, in tokens.")]
