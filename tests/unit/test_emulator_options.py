"""What an emulator can be told, from the command line and from code."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.emulator.__main__ import read_options
from raydocs_provider.emulator.options import ABILITIES, Behaviour, EmulatorOptions, Span, Token


def test_a_token_without_abilities_may_do_everything():
    assert Token.parse("rd_x").abilities == ABILITIES
    assert Token.parse("rd_x:sessions-read, sessions-write").abilities == {"sessions-read", "sessions-write"}
    assert Token.parse("rd_x:").abilities == frozenset()


def test_an_ability_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match="session-read"):
        Token.parse("rd_x:session-read")


def test_a_token_does_not_show_its_value():
    assert "rd_secret" not in repr(Token("rd_secret"))
    assert "rd_secret" not in Token("rd_secret").owner


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.text(), st.text())
def test_a_draw_lies_in_its_span_and_is_the_same_each_time(low: float, width: float, seed: str, name: str):
    span = Span(low, low + width)
    assert span.low <= span.draw(seed, name) <= span.high
    assert span.draw(seed, name) == span.draw(seed, name)


def test_draws_for_different_things_differ():
    assert len({Span(0, 1).draw(7, n) for n in range(100)}) == 100


def test_spans_are_read_as_people_write_them():
    assert Span.parse("2") == Span(2, 2)
    assert Span.parse("0.5-3") == Span(0.5, 3)
    assert Span.parse(0) == Span(0, 0)
    assert Span.parse(0.00001) == Span(0.00001, 0.00001)
    for nonsense in ("3-1", "-1", "x", "inf"):
        with pytest.raises(ValueError):
            Span.parse(nonsense)


def test_a_generation_is_a_set_of_switches_and_each_can_be_set_by_itself():
    assert EmulatorOptions.build().behaviour == Behaviour()
    old = EmulatorOptions.build(generation="old", session_status=True).behaviour
    assert (old.first_status, old.session_status) == ("pending", True)


@pytest.mark.parametrize(
    "settings",
    [{"audit": "all"}, {"generation": "next"}, {"rate_limit": -1}, {"failure_rate": 2}, {"tokens": []}],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError):
        EmulatorOptions.build(**settings)


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(TypeError):
        EmulatorOptions.build(summary=True)


def test_the_command_line_and_code_make_the_same_options():
    line = (
        "--port 0 --token a --token b:sessions-read --rate-limit 5 --no-retry-after --parse-seconds 1-2"
        " --extract-seconds 3 --seed 4 --generation new --no-dedup --summaries --audit both --upload-expiry 9"
        " --state state.db --admin --access-log --failure-rate 0.5"
    )
    assert read_options(line.split()) == EmulatorOptions.build(
        port=0,
        tokens=["a", "b:sessions-read"],
        rate_limit=5,
        retry_after=False,
        parse_seconds="1-2",
        extract_seconds=3,
        seed=4,
        generation="new",
        dedup=False,
        summaries=True,
        audit="both",
        upload_expiry=9,
        state="state.db",
        admin=True,
        access_log=True,
        failure_rate=0.5,
    )


def test_the_command_line_listens_on_8765_with_the_default_token():
    options = read_options([])
    assert (options.host, options.port) == ("127.0.0.1", 8765)
    assert [token.value for token in options.tokens] == ["rd_test_token"]


def test_every_switch_has_an_option_on_the_command_line(capsys):
    with pytest.raises(SystemExit):
        read_options(["--help"])
    shown = capsys.readouterr().out
    for name in Behaviour.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in shown


@pytest.mark.parametrize("line", ["--token x:nope", "--parse-seconds 5-1", "--token a --token a", "--rate-limit -1"])
def test_a_command_line_that_makes_no_sense_says_so(line, capsys):
    with pytest.raises(SystemExit) as exit_:
        read_options(line.split())
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_importing_the_package_loads_no_server():
    code = "import sys, raydocs_provider.emulator; print({'fastapi', 'uvicorn', 'sqlite3'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
