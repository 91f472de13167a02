// SPDX-License-Identifier: Apache-2.0
import type { EventMessage, SessionMessage, SessionState } from "../wire/messages.js";

/** A session as the user sees it. Values only: each event makes a new one. */
export interface SessionView {
  readonly id: string;
  readonly agent: string;
  readonly state: SessionState;
  readonly nextSeq: number;
  /** How the agent ended; empty while it runs. */
  readonly ending: string;
}

/** What a client has to do after an event. */
export interface Step {
  readonly view: SessionView;
  /** A line for the terminal. */
  readonly line?: string;
  readonly areChangesStale: boolean;
}

const OVER: ReadonlySet<SessionState> = new Set(["reviewing", "done", "failed", "discarded"]);
const STARTING: ReadonlySet<SessionState> = new Set(["created", "preparing", "starting"]);
const REVIEWABLE: ReadonlySet<SessionState> = new Set([
  "running",
  "stopping",
  "reviewing",
  "flushing",
  "done",
]);
const STALE_AFTER: ReadonlySet<EventMessage["kind"]> = new Set([
  "changes",
  "review",
  "flush",
  "session.state",
]);

/** The view of a session that was just got; its events are to be heard from the first. */
export function viewOf(session: SessionMessage): SessionView {
  return {
    id: session.id,
    agent: session.agent || session.image || "agent",
    state: session.state,
    nextSeq: 1,
    ending: "",
  };
}

/** Whether nothing runs any more. */
export function isOver(state: SessionState): boolean {
  return OVER.has(state);
}

/** Whether there can be changes to look at. */
export function isReviewable(state: SessionState): boolean {
  return REVIEWABLE.has(state);
}

/** The view after an event; one that was seen already changes nothing. */
export function reduce(view: SessionView, event: EventMessage): Step {
  if (event.session !== view.id || event.seq < view.nextSeq) {
    return { view, areChangesStale: false };
  }
  const next = { ...view, nextSeq: event.seq + 1 };
  const line = lineOf(view, event);
  return {
    view: advanced(next, event),
    ...(line === "" ? {} : { line }),
    areChangesStale: STALE_AFTER.has(event.kind),
  };
}

/** One line about the end, for the terminal. */
export function endingLine(view: SessionView): string {
  const how = view.ending === "" ? "has ended" : view.ending;
  const then = view.state === "failed" ? "" : " Its changes are in Source Control.";
  return `${view.agent} ${how}.${then}`;
}

function advanced(view: SessionView, event: EventMessage): SessionView {
  if (event.kind === "session.state") {
    const state = event.fields["state"];
    return isState(state) ? { ...view, state } : view;
  }
  return event.kind === "closed" ? { ...view, ending: endingOf(event) } : view;
}

function endingOf(event: EventMessage): string {
  const signal = text(event, "signal");
  const code = event.fields["code"];
  if (signal !== "") {
    return `was ended by ${signal}`;
  }
  return typeof code === "number" ? `ended with code ${code}` : "has ended";
}

function lineOf(view: SessionView, event: EventMessage): string {
  if (event.kind === "warning") {
    return text(event, "text") || text(event, "cause");
  }
  // The end of a phase says nothing that its beginning did not. Later the screen is the agent's.
  const isShown = STARTING.has(view.state) && event.fields["step"] !== "finished";
  return event.kind === "progress" && isShown ? text(event, "message") : "";
}

function text(event: EventMessage, field: string): string {
  const value = event.fields[field];
  return typeof value === "string" ? value : "";
}

const STATES: Readonly<Record<SessionState, true>> = {
  created: true,
  preparing: true,
  starting: true,
  running: true,
  stopping: true,
  reviewing: true,
  flushing: true,
  done: true,
  failed: true,
  discarded: true,
};

function isState(value: unknown): value is SessionState {
  return typeof value === "string" && Object.hasOwn(STATES, value);
}
