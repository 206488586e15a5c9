"""`celeriac completion`: print the script that lets a shell complete the program's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session


@make_command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(session: Session, /, *, shell: str) -> int:
    """Print the completion script of a SHELL.

    bash and zsh: put `eval "$(celeriac completion bash)"` into ~/.bashrc or ~/.zshrc.
    fish: `celeriac completion fish > ~/.config/fish/completions/celeriac.fish`.
    """
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if kind is not None:
        session.out(kind(root, {}, "celeriac", "_CELERIAC_COMPLETE").source())
    return Exit.OK
