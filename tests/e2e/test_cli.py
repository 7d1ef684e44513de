"""The command line: what each command prints, on which stream, and what it ends with."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from running import COMMAND, COUNTED, Machine, command_line, messages

from agentgauge import __version__
from agentgauge.app import App
from agentgauge.config import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = Path(__file__).parent
EVENTS = HERE.parents[1] / "examples/events.jsonl"
TRANSCRIPT = HERE.parent / "fixtures/claude_code/claude_code_2.1.197_session.jsonl"
NOW = 1_795_219_200_000  # 2026-11-21T00:00Z, the day after the transcript
ALL = ["demo", "import", "ask", "describe", "index", "prune", "install", "serve", "keys", "sources", "reprice"]


class Shell:
    """Runs commands in this process, with a home of their own and a clock that stands still."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables: dict[str, str | None] = dict.fromkeys(
            os.environ.keys() & {"CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME"}
        )
        self.variables |= {name: None for name in os.environ if name.startswith("AGENTGAUGE_")}
        self.variables |= {"HOME": str(home), "AGENTGAUGE_HOME": str(home / "data")}
        self._commands = command_line(lambda org: App(load(org=org), clock=lambda: NOW))

    def run(self, *words: str) -> Result:
        result = CliRunner().invoke(self._commands, words, env=self.variables, prog_name="agentgauge")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def ask(self, tool: str, **words: Any) -> dict[str, Any]:
        """The structured form of an answer."""
        given = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in words.items()]
        result = self.run("ask", tool, "--json", *given)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def count(self) -> int:
        """How many messages have been sent."""
        return self.ask("get_message_metrics", **COUNTED)["total"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in an empty home."""
    return Shell(tmp_path)


def write(path: Path, lines: Iterable[Mapping[str, Any] | str]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


# What each command says of itself


def test_the_version_is_said(shell: Shell) -> None:
    assert shell.run("--version").stdout == f"agentgauge, version {__version__}\n"


@pytest.mark.parametrize("words", [[], *([name] for name in ALL)], ids=lambda words: " ".join(words) or "agentgauge")
def test_every_command_has_help(shell: Shell, words: list[str]) -> None:
    for option in ("--help", "-h"):
        result = shell.run(*words, option)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: {' '.join(['agentgauge', *words])} ")


def test_help_names_every_command_and_exit_code(shell: Shell) -> None:
    said = shell.run("--help").stdout
    assert [name for name in ALL if f"\n  {name} " not in said] == []
    assert "2 wrong command or question" in " ".join(said.split())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_it_says_how_to_use_it_and_ends(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    try:
        env = Machine(tmp_path).env
        done = subprocess.run(COMMAND, stdin=theirs, capture_output=True, text=True, env=env, timeout=30, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout.startswith("agentgauge is an MCP server")
    assert "agentgauge demo" in done.stdout
    assert done.stderr == ""


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("agentgauge")
    if not script.exists():
        pytest.skip("agentgauge is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, env=Machine(tmp_path).env, check=True)
    assert done.stdout == f"agentgauge, version {__version__}\n"


# Asking


def test_an_answer_is_printed_as_text_or_as_json(shell: Shell) -> None:
    shell.run("import", str(EVENTS))
    words = [
        "get_message_metrics",
        "metric=sent",
        "group_by=channel",
        "start=2026-05-05",
        "end=2026-05-05",
        "interval=1d",
    ]
    said = shell.run("ask", *words)
    assert said.stdout.startswith(
        "messages sent by channel, 2026-05-05 00:00 to 2026-05-06 00:00 UTC, as of 14:00, exact\ntotal 4\n"
    )
    found = json.loads(shell.run("ask", *words, "--json").stdout)
    assert (found["title"], found["total"]) == ("messages sent by channel", 4)
    assert [row[0] for row in found["rows"]] == [line.split(",")[0] for line in said.stdout.splitlines()[3:]]


def test_a_value_may_be_json_a_list_or_plain(shell: Shell) -> None:
    shell.run("import", str(EVENTS))
    same = {"datasource": "messages", "start": "2026-05-05", "end": "2026-05-05"}
    whole = shell.ask("query_datapoints", **same)["total"]
    assert 0 < shell.ask("query_datapoints", **same, filters={"channel": "sms"})["total"] < whole
    by_list = shell.ask("query_datapoints", **same, filters=[{"field": "channel", "operator": "IN", "value": ["sms"]}])
    assert by_list["total"] == shell.ask("query_datapoints", **same, filters={"channel": "sms"})["total"]
    assert shell.ask("query_datapoints", **same, group_by="channel,status")["columns"][:2] == ["channel", "status"]
    assert shell.ask("query_datapoints", **same, group_by=["channel"])["columns"][0] == "channel"


def test_describe_says_what_is_here(shell: Shell) -> None:
    assert "the store is empty" in shell.run("describe").stdout
    shell.run("import", str(EVENTS))
    assert "\nmessages,14," in shell.run("describe").stdout
    assert "\nchannel,string," in shell.run("describe", "messages").stdout
    assert "booking_attempt" in shell.run("describe", "--search", "booking").stdout
    assert json.loads(shell.run("describe", "--json").stdout)["rows"][0][:2] == ["messages", 14]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ask", "usage"], 'UNKNOWN_NAME: "usage" is not a tool. Valid: describe_metrics, '),
        (["ask", "usage_by_agent"], "INVALID_VALUE: usage_by_agent needs 'period'."),
        (["ask", "usage_by_agent", "period"], "INVALID_VALUE: 'period' is not KEY=VALUE."),
        (["ask", "usage_by_agent", "=month"], "INVALID_VALUE: '=month' is not KEY=VALUE."),
        (["ask", "usage_by_agent", "period=week", "period=month"], "INVALID_VALUE: period is given twice."),
        (["ask", "usage_by_agent", "period=month", "tz=Mars"], 'UNKNOWN_NAME: "Mars" is not an IANA time zone.'),
        (["ask", "query_datapoints", "datasource=messages", "start=today", "end=yesterday"], "INVALID_VALUE: "),
        (["ask", "query_datapoints", "datasource=messages", "interval=1s", "start=now-1y"], "WINDOW_TOO_LARGE: "),
        (["ask", "record_metrics", 'points=[{"name":"n","value":1}]'], "FORBIDDEN: writing is off."),
        (["describe", "mesages"], 'UNKNOWN_NAME: "mesages" is not a dataset.'),
        (["import", "nowhere.jsonl"], 'INVALID_VALUE: there is no file or folder "nowhere.jsonl".'),
        (
            ["import", "claude-code"],
            "INVALID_VALUE: no Claude Code transcripts were found. They lie in ~/.claude/projects",
        ),
        (["--org", "Acme Inc", "describe"], 'INVALID_VALUE: "Acme Inc" is not a name for an organisation.'),
        (["describe", "--org", "../up"], 'INVALID_VALUE: "../up" is not a name for an organisation.'),
        (["import"], "Usage: agentgauge import"),
        (["ask"], "Usage: agentgauge ask"),
        (["describ"], "Usage: agentgauge "),
        (["install", "notepad"], "Usage: agentgauge install"),
    ],
)
def test_a_wrong_question_or_command_ends_with_2_and_a_word_on_stderr(
    shell: Shell, words: list[str], said: str
) -> None:
    result = shell.run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert not shell.home.joinpath("data").exists()


# Importing


def test_a_file_is_imported_once_however_often_it_is_given(shell: Shell) -> None:
    first = shell.run("import", str(EVENTS))
    lines = len(EVENTS.read_text().splitlines())
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith(f"{lines} accepted, 0 duplicate, 0 rejected\n")
    before = shell.ask("query_datapoints", datasource="messages", start="2026-05-05", end="2026-05-05")
    again = shell.run("import", str(EVENTS))
    assert again.stdout.startswith(f"0 accepted, {lines} duplicate, 0 rejected\n")
    assert shell.ask("query_datapoints", datasource="messages", start="2026-05-05", end="2026-05-05") == before


def test_files_folders_gzip_and_standard_input_are_taken(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    write(folder / "a.jsonl", messages([1, 2]))
    write(folder / "deep/b.jsonl", messages([3]))
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "c", messages([4])).read_bytes()))
    piped = write(tmp_path / "d", messages([5, 6])).read_bytes()
    machine = Machine(tmp_path)  # a process of its own has a real standard input
    done = machine.run("import", str(folder), str(packed), "-", given=piped)
    assert (done.code, done.out.splitlines()[0]) == (0, "6 accepted, 0 duplicate, 0 rejected")
    assert shell.count() == 6
    assert machine.run("import", "-", given=gzip.compress(piped)).out.startswith("0 accepted, 2 duplicate")
    assert machine.run("import", "-", given=TRANSCRIPT.read_bytes()).out.splitlines()[1].startswith("  model_calls 2, ")
    assert machine.run("import", "-").out == "0 accepted, 0 duplicate, 0 rejected\n"


def test_rejected_lines_are_told_on_stderr_and_the_good_ones_kept(shell: Shell, tmp_path: Path) -> None:
    good = messages(range(3))
    path = write(
        tmp_path / "mixed.jsonl", [good[0], "{not json", good[1], good[2] | {"id": "odd", "status": "lost"}, good[2]]
    )
    result = shell.run("import", str(path))
    assert result.exit_code == 4
    assert result.stdout.startswith("3 accepted, 0 duplicate, 2 rejected\n")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"{path}:2: not JSON")
    assert second.startswith(f"{path}:4: status: ")
    assert shell.count() == 3


def test_of_many_rejected_lines_the_first_twenty_are_told(shell: Shell, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.jsonl", ["nonsense"] * 50)
    result = shell.run("import", str(path))
    assert result.exit_code == 4
    assert len(result.stderr.splitlines()) == 21
    assert result.stderr.endswith("... and 30 more rejected lines\n")


def test_transcripts_and_event_lines_may_come_together(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(TRANSCRIPT, folder / "session.jsonl")
    write(folder / "events.jsonl", messages([1, 2]))
    result = shell.run("import", str(folder))
    assert result.exit_code == 0
    assert "messages 2" in result.stdout
    assert "model_calls 2" in result.stdout


@pytest.mark.parametrize("place", ["home", "variable"])
def test_local_claude_code_runs_are_found_counted_once_and_priced(shell: Shell, tmp_path: Path, place: str) -> None:
    config = tmp_path / (".claude" if place == "home" else "elsewhere")
    if place == "variable":
        shell.variables["CLAUDE_CONFIG_DIR"] = str(config)
    for project in ("-work-one", "-work-one-copied"):  # a resumed session lies in two files
        (config / "projects" / project).mkdir(parents=True)
        shutil.copy(TRANSCRIPT, config / "projects" / project / "session.jsonl")
    first = shell.run("import", "claude-code")
    assert (first.exit_code, first.stderr) == (0, "")
    found = shell.ask("usage_by_agent", period="month", group_by="model")
    assert found["total"]["model_calls"] == 2
    assert found["total"]["input_tokens"] == 43_024
    assert found["total"]["output_tokens"] == 174
    assert round(found["total"]["cost_usd"], 5) == 0.04697
    (row,) = (dict(zip(found["columns"], row, strict=True)) for row in found["rows"])
    assert (row["input_tokens"], row["output_tokens"], round(row["cost_usd"], 5)) == (43_024, 174, 0.04697)
    assert row["cache_read_tokens"] + row["cache_write_tokens"] < row["input_tokens"]
    assert shell.run("import", "claude-code").stdout.startswith("0 accepted, ")
    assert shell.ask("usage_by_agent", period="month", group_by="model") == found


def test_claude_code_runs_are_asked_for_by_project_and_session(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / ".claude/projects/-work-one").mkdir(parents=True)
    shutil.copy(TRANSCRIPT, tmp_path / ".claude/projects/-work-one/session.jsonl")
    shell.run("import", "claude-code")
    words = {
        "datasource": "model_calls",
        "start": "2026-11-20",
        "end": "2026-11-20",
        "aggregations": [{"type": "sum", "column": "cost_usd"}],
    }
    for group in ("metadata.project", "session_id", "agent"):
        found = shell.ask("query_datapoints", **words, group_by=group)
        (row,) = found["rows"]
        assert row[0]
        assert (row[1], round(row[2], 5)) == (2, 0.04697)


# Whose store, which zone


def test_an_organisation_is_named_by_option_or_variable_and_sees_its_own_alone(shell: Shell) -> None:
    shell.run("import", str(EVENTS), "--org", "acme")
    assert shell.count() == 0
    assert "\nmessages,14," in shell.run("describe", "--org", "acme").stdout
    assert "\nmessages,14," in shell.run("--org", "acme", "describe").stdout
    shell.variables["AGENTGAUGE_ORG"] = "acme"
    assert shell.count() == 4
    assert "the store is empty" in shell.run("describe", "--org", "default").stdout
    assert sorted(path.name for path in (shell.home / "data/orgs").glob("*.db")) == ["acme.db"]


def test_days_are_those_of_the_zone_that_is_set_unless_a_question_names_one(shell: Shell) -> None:
    shell.variables["AGENTGAUGE_TZ"] = "America/New_York"
    assert shell.ask("get_message_metrics", **COUNTED)["start"] == "2026-05-05T00:00-04:00"
    assert shell.ask("get_message_metrics", **COUNTED, tz="UTC")["start"] == "2026-05-05T00:00Z"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AGENTGAUGE_TZ", "Mars/Olympus", "AGENTGAUGE_TZ is not valid: "),
        ("AGENTGAUGE_ORG", "Acme!", '"Acme!" is not a name for an organisation.'),
        ("AGENTGAUGE_ALLOW_WRITE", "perhaps", "AGENTGAUGE_ALLOW_WRITE is not valid: "),
    ],
)
def test_a_wrong_setting_is_said_before_anything_is_done(shell: Shell, name: str, value: str, said: str) -> None:
    shell.variables[name] = value
    for words in (["describe"], ["import", str(EVENTS)]):
        result = shell.run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"INVALID_VALUE: {said}")
        assert not (shell.home / "data").exists()


def test_a_variable_that_is_empty_is_not_set(shell: Shell) -> None:
    shell.variables |= {"AGENTGAUGE_TZ": "", "AGENTGAUGE_ORG": "", "AGENTGAUGE_ALLOW_WRITE": ""}
    assert shell.run("describe").exit_code == 0


def test_a_home_that_begins_with_a_tilde_is_below_the_users_own(shell: Shell) -> None:
    shell.variables["AGENTGAUGE_HOME"] = "~/gauge"
    shell.run("import", str(EVENTS))
    assert (shell.home / "gauge/orgs/default.db").exists()


def test_a_place_that_cannot_be_written_is_said_with_what_to_do(shell: Shell) -> None:
    (shell.home / "file").write_text("in the way")
    shell.variables["AGENTGAUGE_HOME"] = str(shell.home / "file/data")
    result = shell.run("import", str(EVENTS))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("STORE_UNWRITABLE: default.db cannot be written: ")
    assert "set AGENTGAUGE_HOME to another folder" in result.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here, where nobody may make a folder")
def test_a_folder_that_takes_no_files_is_said_with_what_to_do(shell: Shell) -> None:
    shell.variables["AGENTGAUGE_HOME"] = "/proc/agentgauge"
    result = shell.run("import", str(EVENTS))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("STORE_UNWRITABLE: default.db cannot be written: ")


def test_recording_is_possible_where_it_is_allowed(shell: Shell) -> None:
    shell.variables["AGENTGAUGE_ALLOW_WRITE"] = "1"
    point = {"name": "builds", "value": 3, "ts": "2026-11-20T12:00:00Z"}
    assert shell.ask("record_metrics", points=[point])["accepted"] == 1
    assert shell.ask("record_metrics", points=[point | {"value": "many"}])["rejected"] == 1
    assert shell.ask("query_custom_metrics", metric_names="builds")["rows"] == [["builds", "counter", 3, 1]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_output_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, "describe"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "AGENTGAUGE_HOME": str(tmp_path)},
            check=False,
        )
    assert ended.returncode == 3
    assert ended.stderr.decode().strip() == "the output cannot be written: No space left on device."


def test_a_reader_that_has_seen_enough_ends_the_demo_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        assert demo.stdout.readline().startswith(b"A SYNTHETIC fleet")
        demo.stdout.close()
        assert demo.stderr.read() == b""
    assert demo.returncode == 0
