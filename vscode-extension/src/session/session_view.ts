// SPDX-License-Identifier: Apache-2.0
import type {
  AfterRun,
  EventMessage,
  QuestionMessage,
  SessionMessage,
  SessionState,
} from "../wire/messages.js";
import { questionOf } from "./network_question.js";

/** A session as the user sees it. Values only: each event makes a new one. */
export interface SessionView {
  readonly id: string;
  readonly agent: string;
  /** The folder, as a path of the machine that it is on. */
  readonly workspace: string;
  readonly state: SessionState;
  readonly nextSeq: number;
  /** Seconds since the epoch. What was told before is history: nobody is alarmed by it again. */
  readonly attachedAt: number;
  /** What the user's config wants once the agent has ended. */
  readonly after: AfterRun;
}

/** A line for the terminal. */
export interface Line {
  readonly text: string;
  readonly tone: "plain" | "warning";
}

/** What a client has to do after an event. */
export interface Step {
  readonly view: SessionView;
  readonly line?: Line;
  /** A warning that can't be in the terminal, whose screen is the agent's. */
  readonly notice?: string;
  /** A name that the guest waits for. */
  readonly question?: QuestionMessage;
  /** A name that somebody has answered for, here or in another client. */
  readonly answered?: QuestionMessage;
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
export function viewOf(session: SessionMessage, attachedAt: number): SessionView {
  return {
    id: session.id,
    agent: session.agent || session.image || "agent",
    workspace: session.workspace,
    state: session.state,
    nextSeq: 1,
    attachedAt,
    after: session.after,
  };
}

/** Whether nothing runs any more. */
export function isOver(state: SessionState): boolean {
  return OVER.has(state);
}

/** Whether the agent has ended between two views. */
export function isEnd(before: SessionView, after: SessionView): boolean {
  return !isOver(before.state) && isOver(after.state);
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
  return {
    view: { ...view, state: stateAfter(view.state, event), nextSeq: event.seq + 1 },
    ...words(view, event),
    ...asked(view, event),
    areChangesStale: STALE_AFTER.has(event.kind),
  };
}

function stateAfter(before: SessionState, event: EventMessage): SessionState {
  const state = event.kind === "session.state" ? event.fields["state"] : undefined;
  return isState(state) ? state : before;
}

function words(view: SessionView, event: EventMessage): Pick<Step, "line" | "notice"> {
  const isStarting = STARTING.has(view.state);
  const said = saidBy(event);
  if (said === "" || (!isStarting && event.kind === "progress")) {
    return {};
  }
  if (isStarting) {
    const isWarning = event.kind === "warning" || event.fields["step"] === "warned";
    return { line: { text: said, tone: isWarning ? "warning" : "plain" } };
  }
  return event.ts < view.attachedAt ? {} : { notice: said };
}

/** A question of before is in the list of those that are still open, if it is. */
function asked(view: SessionView, event: EventMessage): Pick<Step, "question" | "answered"> {
  const isHistory = event.ts < view.attachedAt;
  const question = isHistory ? undefined : questionOf(event, "network.ask");
  const answered = questionOf(event, "network.answered");
  return {
    ...(question === undefined ? {} : { question }),
    ...(answered === undefined ? {} : { answered }),
  };
}

function saidBy(event: EventMessage): string {
  if (event.kind === "warning") {
    return text(event, "text") || text(event, "cause");
  }
  // The end of a phase says nothing that its beginning did not.
  const isNews = event.kind === "progress" && event.fields["step"] !== "finished";
  return isNews ? text(event, "message") : "";
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
