"""A function that calls back, turned inside out: its calls become questions to iterate over.

The function runs in a thread of its own, but only one of the two threads runs at a time: a question waits
for its answer. So whatever answers runs in the caller's thread, and its errors come out there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

R = TypeVar("R")


class _Stop(BaseException):
    """Ends the function at its next question; no Exception, so that the function does not handle it."""


class Conversation(Generic[R]):
    """Run ``function(ask)``, where ``ask(question)`` returns the answer, as a loop over the questions.

    Leaving the ``with`` block, early or not, ends the thread.

    Attributes
    ----------
    result : object
        What the function returned, once the loop is over.

    Examples
    --------
    >>> with Conversation(lambda ask: ask(2) + ask(3)) as conversation:
    ...     for question in conversation:
    ...         conversation.answer(question * 10)
    ...     conversation.result
    50
    """

    result: R

    def __init__(self, function: Callable[[Callable[[Any], Any]], R]) -> None:
        self._function = function
        self._questions: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        # a daemon: a conversation that is never left does not keep the interpreter from ending
        self._thread = threading.Thread(target=self._run, name="clearprop conversation", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._answers.put(_Stop)
        self._thread.join()

    def __iter__(self) -> Iterator[Any]:
        while True:
            what, content = self._questions.get()
            if what == "error":
                raise content
            if what == "result":
                self.result = content
                return
            yield content

    def answer(self, answer: Any) -> None:
        """Answer the question; the function goes on."""
        self._answers.put(answer)

    def _run(self) -> None:
        try:
            self._questions.put(("result", self._function(self._ask)))
        except _Stop:
            return
        except BaseException as error:  # raised again by the loop, in the caller's thread
            self._questions.put(("error", error))

    def _ask(self, question: Any) -> Any:
        self._questions.put(("question", question))
        answer = self._answers.get()
        if answer is _Stop:
            raise _Stop
        return answer
