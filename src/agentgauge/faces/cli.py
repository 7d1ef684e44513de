"""The command line: parse, call, print. Thin; every fact comes from the tools and the importer.

Above: `__main__`. Below: click, and an Application from the composition root.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import click

from agentgauge import __version__
from agentgauge.core.errors import CallerError, GaugeError, InvalidValue, StoreError, UpstreamError
from agentgauge.faces import clients, keys, progress, sources, upkeep
from agentgauge.faces.reprice import reprice_command

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from agentgauge.core.answer import Answer
    from agentgauge.faces.reprice import Repriced

DONE, FAULT, WRONG, FAILED, REJECTED = range(5)
"""Exit codes: done; a fault of agentgauge; the command or question is wrong; the store, disk or a vendor failed; done,
but some lines were rejected."""
INTERRUPTED = 130
"""What a shell expects of a command that was stopped with Ctrl-C."""
SHOWN_REJECTIONS = 20

WELCOME = """\
agentgauge is an MCP server: a client such as Claude Code or Cursor starts it and talks to it over stdin.

  agentgauge demo                  see it answer, with synthetic data
  agentgauge import claude-code    take in your own Claude Code runs
  agentgauge ask usage_by_agent period=month group_by=model
  agentgauge install claude-code   how to connect a client

agentgauge --help lists every command."""


class Application(upkeep.Upkeep, Protocol):
    """What the commands need of the composition root."""

    async def call(self, name: str, arguments: Mapping[str, Any] | None) -> Answer:
        """A tool's answer."""
        ...

    def open(self) -> AbstractAsyncContextManager[Application]:
        """The application, for as long as it is asked."""
        ...

    @property
    def sources(self) -> sources.Sources:
        """The configured upstreams."""
        ...

    def import_names(
        self, names: Sequence[str], on_progress: Callable[[progress.Report], None] | None = None
    ) -> progress.Report:
        """Imports files, folders, `-`, or the local logs of a program."""
        ...

    def watch_names(
        self, names: Sequence[str], on_pass: Callable[[progress.Report, int], None], pause: Callable[[float], bool]
    ) -> None:
        """Imports the same, and again whatever is new, until `pause` says that it is enough."""
        ...

    def reprice(self, since: str | None) -> Repriced:
        """Computes costs again from the price list."""
        ...

    def serve_stdio(self) -> Coroutine[Any, Any, None]:
        """Serves one MCP client over stdin and stdout."""
        ...


Demo = Callable[[Callable[[str], None]], Coroutine[Any, Any, None]]
"""Makes a store in a temporary place, asks it through a real client, and says question and answer."""


Serve = Callable[[str, int, Sequence[str], Callable[[str], None]], Coroutine[Any, Any, None]]
"""Serves REST and MCP on (host, port) for requests that name one of those hosts."""
PORT = 8377


class Commands(click.Group):
    """Turns our errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except GaugeError as error:
            click.echo(str(error), err=True)
            ctx.exit(exit_code(error))
        except OSError as error:
            ctx.exit(_unwritten(error))
        except BaseExceptionGroup as group:
            torn, rest = group.split(OSError)
            if torn is None or rest is not None:
                raise
            ctx.exit(_unwritten(next(_leaves(torn))))
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _leaves(group: BaseExceptionGroup[OSError]) -> Iterator[OSError]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _unwritten(error: OSError) -> int:
    """What the process ends with when its output cannot be written; a reader that has seen enough is no failure."""
    # What is still buffered would be tried again, and complained of, while Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return DONE
    click.echo(f"the output cannot be written: {error.strerror}.", err=True)
    return FAILED


def exit_code(error: GaugeError) -> int:
    """What the process ends with."""
    if isinstance(error, CallerError):
        return WRONG
    return FAILED if isinstance(error, StoreError | UpstreamError) else FAULT


def commands(
    make: Callable[[str | None], Application], demo: Demo, serve: Serve, open_keys: Callable[[], keys.Keys]
) -> click.Group:
    """The command `agentgauge`; `make` gives the application of an organisation."""
    group = Commands(
        "agentgauge",
        callback=_root(make),
        params=[_org_option()],
        help="The metrics server for AI agents. Without a command it is the MCP server over stdin and stdout.",
        epilog="Exit codes: 0 done, 1 a fault of agentgauge, 2 wrong command or question, 3 the store failed, 4 done "
        "but some lines were rejected. "
        "Variables: AGENTGAUGE_HOME, AGENTGAUGE_ORG, AGENTGAUGE_TZ, AGENTGAUGE_ALLOW_WRITE, AGENTGAUGE_CACHE_MIB.",
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    group = click.version_option(__version__, prog_name="agentgauge")(group)
    group.add_command(_demo(demo))
    for add in (_import, _ask, _describe, upkeep.index_command, upkeep.prune_command):
        group.add_command(add(make))
    group.add_command(_install())
    group.add_command(_serve(serve))
    group.add_command(keys.keys_group(open_keys))
    group.add_command(sources.sources_group(lambda org: make(org).sources))
    group.add_command(reprice_command(make))
    return group


def _org_option() -> click.Option:
    return click.Option(["--org"], metavar="NAME", help="The organisation; else AGENTGAUGE_ORG, else default.")


def _root(make: Callable[[str | None], Application]) -> Callable[..., None]:
    @click.pass_context
    def root(ctx: click.Context, org: str | None) -> None:
        if ctx.invoked_subcommand is not None:
            ctx.obj = org
        elif sys.stdin.isatty():
            click.echo(WELCOME)
        else:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own would wait for the thread that reads stdin
            anyio.run(make(org).serve_stdio)

    return root


def _demo(run: Demo) -> click.Command:
    @click.command("demo", help="Make a store in a temporary place, ask it through the real server, print the answers.")
    def demo() -> None:
        anyio.run(run, click.echo)

    return demo


def _serve(run: Serve) -> click.Command:
    @click.command("serve")
    @click.option("--host", default="127.0.0.1", show_default=True, help="The address; any but loopback needs a key.")
    @click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
    @click.option("--allow-host", multiple=True, metavar="NAME", help="A name by which the server may be called.")
    def serve(host: str, port: int, allow_host: tuple[str, ...]) -> None:
        """Serve the REST paths of five APIs, POST /v1/events, OpenTelemetry (OTLP/HTTP) and MCP on one port."""
        anyio.run(run, host, port, allow_host, click.echo)

    return serve


def _import(make: Callable[[str | None], Application]) -> click.Command:
    @click.command("import")
    @click.argument("paths", nargs=-1, required=True, metavar="PATH...")
    @click.option("--watch", is_flag=True, help="Then follow them as they grow, until Ctrl-C.")
    @upkeep.ORG
    @click.pass_obj
    def take(obj: str | None, paths: tuple[str, ...], watch: bool, org: str | None) -> None:
        """Take in files, folders or - (standard input), by their content, plain or gzip.

        `import claude-code`, `import codex` and `import gemini` find that program's logs on this machine. A file is
        read as event lines, as such a log, or as an export of LangSmith, Langfuse or Helicone. The same again changes
        nothing.
        """
        if watch:
            _watch(make(org or obj), paths)
            return
        with progress.shown() as on_progress:
            report = make(org or obj).import_names(paths, on_progress)
        click.echo(progress.summary(report))
        for line in progress.rejections(report, SHOWN_REJECTIONS):
            click.echo(line, err=True)
        if report.rejected:
            sys.exit(REJECTED)

    return take


def _watch(application: Application, paths: tuple[str, ...]) -> None:
    """Follows what was named until Ctrl-C, which is its way to end; a line for each pass that brought something."""

    def said(report: progress.Report, files: int) -> None:
        click.echo(progress.passed(report, files))
        for line in progress.rejections(report, SHOWN_REJECTIONS):
            click.echo(line, err=True)

    click.echo(f"watching {', '.join(paths)}; Ctrl-C ends it")
    with suppress(KeyboardInterrupt):
        application.watch_names(paths, said, Event().wait)


def _ask(make: Callable[[str | None], Application]) -> click.Command:
    @click.command("ask")
    @click.argument("tool")
    @click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
    @click.option("--json", "as_json", is_flag=True, help="Print the structured form.")
    @upkeep.ORG
    @click.pass_obj
    def ask(obj: str | None, tool: str, words: tuple[str, ...], as_json: bool, org: str | None) -> None:
        """Ask a tool, as a model would: ask get_message_metrics metric=sent interval=1h group_by=channel."""
        _print(anyio.run(_called, make(org or obj), tool, arguments(words)), as_json)

    return ask


def _describe(make: Callable[[str | None], Application]) -> click.Command:
    @click.command("describe")
    @click.argument("dataset", required=False)
    @click.option("--search", help="Names that are near this one.")
    @click.option("--json", "as_json", is_flag=True, help="Print the structured form.")
    @upkeep.ORG
    @click.pass_obj
    def describe(obj: str | None, dataset: str | None, search: str | None, as_json: bool, org: str | None) -> None:
        """Say what is here: the datasets, or the fields of one."""
        asked = {"dataset": dataset, "search": search, "limit": 50, "budget": 8_000}
        _print(anyio.run(_called, make(org or obj), "describe_metrics", asked), as_json)

    return describe


async def _called(app: Application, tool: str, given: Mapping[str, Any]) -> Answer:
    async with app.open():
        return await app.call(tool, given)


def _install() -> click.Command:
    @click.command("install")
    @click.argument("client", type=click.Choice(list(clients.CLIENTS)))
    @click.option("--write", is_flag=True, help="Merge it into the client's configuration, keeping a backup.")
    def install(client: str, write: bool) -> None:
        """Show how to connect a client; with --write, connect it."""
        click.echo(clients.install(clients.CLIENTS[client], Path.home(), write=write))

    return install


def arguments(words: Sequence[str]) -> dict[str, Any]:
    """The arguments of `key=value` words; a value that is a JSON object or list is read as one.

    Raises:
        InvalidValue: a word without `=`, or a key given twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidValue(f"{word!r} is not KEY=VALUE.", hint="For example: period=month group_by=model.")
        if key in found:
            raise InvalidValue(f"{key} is given twice.", hint=f"Give a list: {key}=a,b.")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _print(answer: Answer, as_json: bool) -> None:
    click.echo(json.dumps(answer.structured(), ensure_ascii=False, indent=None) if as_json else answer.text())
