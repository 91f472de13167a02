# SPDX-License-Identifier: Apache-2.0
"""Spans out of a session's events."""

from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.progress import Phase
from bbox_server.domain.session import EventKind, EventValue, SessionEvent, SessionId
from bbox_server.domain.trace import ROOT, Span, spans_of, timing_lines

SESSION = SessionId("00c0ffee")


class Events:
    """Events a second apart."""

    def __init__(self) -> None:
        self.all: list[SessionEvent] = []

    def add(self, kind: EventKind, **fields: EventValue) -> "Events":
        seq = len(self.all) + 1
        self.all.append(
            SessionEvent(session=SESSION, seq=seq, at=100.0 + seq, kind=kind, fields=fields)
        )
        return self

    def tell(self, step: str, phase: Phase, **more: EventValue) -> "Events":
        fields = {"step": step, "phase": phase.value, "message": f"{step}!", **more}
        return self.add(EventKind.PROGRESS, **fields)

    @property
    def spans(self) -> dict[str, Span]:
        return {span.name: span for span in spans_of(self.all)}


def test_parts_lie_in_their_phase_and_the_rest_in_the_run() -> None:
    events = Events()
    events.tell("started", Phase.START_VM).tell("started", Phase.MICROVM)
    events.tell("started", Phase.BOOT).tell("finished", Phase.BOOT)
    events.tell("finished", Phase.MICROVM).tell("finished", Phase.START_VM)
    spans = events.spans
    names = {span.number: span.name for span in spans.values()}
    parents = {name: names.get(-1 if s.parent is None else s.parent) for name, s in spans.items()}
    assert parents == {
        ROOT: None,
        "bbox.StartVM": ROOT,
        "microvm.Run": "bbox.StartVM",
        "microvm.Boot": "microvm.Run",
    }
    assert (spans["microvm.Boot"].seconds, spans["bbox.StartVM"].seconds) == (1, 5)
    assert not any(span.failed for span in spans.values())


def test_a_phase_that_an_error_cut_short_is_closed_and_says_why() -> None:
    events = Events().tell("started", Phase.PREPARE).tell("started", Phase.IMAGE)
    events.add(EventKind.WARNING, code="image.not-found", cause="There is no image x.")
    events.add(EventKind.STATE, state="failed")
    events.add(EventKind.CHANGES)
    for name in (ROOT, "bbox.Prepare", "bbox.Image"):
        assert events.spans[name].failed
        assert events.spans[name].message == "There is no image x."
    assert events.spans["bbox.Image"].ended == events.all[3].at


def test_a_run_whose_process_was_killed_has_spans_too() -> None:
    spans = Events().tell("started", Phase.TERMINAL).add(EventKind.CHANGES).spans
    assert spans["bbox.Terminal"].failed
    assert spans["bbox.Terminal"].seconds == 1


def test_a_review_and_a_flush_of_another_day_belong_to_the_run() -> None:
    events = Events().tell("started", Phase.DIFF).tell("finished", Phase.DIFF)
    events.tell("started", Phase.FLUSH).add(EventKind.STATE, state="reviewing")
    events.tell("finished", Phase.FLUSH).tell("finished", Phase.REVIEW, began=102.5)
    spans = events.spans
    assert (spans["bbox.Review"].started, spans["bbox.Review"].seconds) == (102.5, 3.5)
    assert not spans["bbox.Flush"].failed
    assert spans[ROOT].ended == spans["bbox.Review"].ended
    assert spans["bbox.Review"].parent == spans["bbox.Flush"].parent == 0


def test_a_phase_that_comes_twice_is_two_spans() -> None:
    events = Events().tell("started", Phase.FLUSH).tell("finished", Phase.FLUSH)
    events.tell("started", Phase.FLUSH).tell("failed", Phase.FLUSH)
    flushes = [span for span in spans_of(events.all) if span.name == "bbox.Flush"]
    assert [span.failed for span in flushes] == [False, True]
    assert len({span.number for span in flushes}) == 2


def test_a_phase_that_begins_anew_has_ended() -> None:
    events = Events().tell("started", Phase.MICROVM).tell("started", Phase.BOOT)
    events.tell("started", Phase.MICROVM)
    spans = spans_of(events.all)
    assert [span.name for span in spans].count("microvm.Run") == 2
    assert {span.parent for span in spans[1:]} <= {span.number for span in spans}


def test_the_table_has_a_line_a_span_with_parts_indented() -> None:
    events = Events().tell("started", Phase.PREPARE).tell("started", Phase.SNAPSHOT)
    events.tell("failed", Phase.SNAPSHOT).tell("finished", Phase.PREPARE)
    assert timing_lines(spans_of(events.all)) == (
        f"{'bbox.Prepare':<40}     3.00 s",
        f"{'  bbox.CreateSnapshot':<40}     1.00 s  (failed)",
    )


def test_a_session_without_events_has_no_spans() -> None:
    assert spans_of([]) == ()
    assert timing_lines(()) == ()


STEPS = st.tuples(
    st.sampled_from(["started", "finished", "failed", "noted"]), st.sampled_from(Phase)
)


@given(st.lists(STEPS, max_size=20))
def test_any_order_of_steps_gives_one_tree(steps: list[tuple[str, Phase]]) -> None:
    events = Events()
    for step, phase in steps:
        events.tell(step, phase)
    spans = spans_of(events.all)
    numbers = [span.number for span in spans]
    assert len(set(numbers)) == len(numbers)
    assert [span.name for span in spans if span.parent is None] == [ROOT] * bool(steps)
    assert all(span.parent in numbers for span in spans[1:])
    assert all(span.ended >= span.started for span in spans)
    assert len(timing_lines(spans)) == max(0, len(spans) - 1)
