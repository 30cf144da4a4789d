"""tests/inside.py: what a server would not take from an app, the tests do not take either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tests.inside import Inside

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
MORE: Message = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST: Message = {"type": "http.response.body", "body": b"b"}


def answer(*messages: Message) -> bytes:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return Inside(app).get("/").content


def test_an_answer_in_pieces_is_read_to_its_end() -> None:
    assert answer(START, MORE, MORE, LAST) == b"aab"


@pytest.mark.parametrize(
    "messages",
    [(), (LAST,), (START,), (START, MORE), (START, START, LAST), (START, LAST, LAST)],
)
def test_what_is_no_answer_is_none(messages: tuple[Message, ...]) -> None:
    with pytest.raises(AssertionError):
        answer(*messages)


def test_a_client_stays_until_it_was_answered_and_is_gone_then() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        await StreamingResponse(pieces())(scope, receive, send)
        seen.extend([(await receive())["type"] for _ in range(2)])

    assert Inside(app).get("/").content == b"ab"
    assert seen[-1] == "http.disconnect"


def test_what_an_app_raises_after_it_began_to_answer_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Inside(app).get("/")
