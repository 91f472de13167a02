// SPDX-License-Identifier: Apache-2.0
import type { ExitMessage, SessionMessage } from "../wire/messages.js";

/** The last lines of a terminal: how the agent ended, why, and what is next. */
export function endingLines(session: SessionMessage): readonly string[] {
  const agent = session.agent || session.image || "The agent";
  const { failure } = session;
  const why =
    failure === undefined ? [] : [`${failure.message} ${failure.cause} ${failure.remediation}`];
  const how = session.exit === undefined ? "has ended" : howItEnded(session.exit);
  return [...why, `${agent} ${how}.${whatIsNext(session)}`];
}

function howItEnded(exit: ExitMessage): string {
  if (exit.outOfMemory) {
    return "was ended: the microVM ran out of memory";
  }
  if (exit.signal !== undefined) {
    return `was ended by ${exit.signal}`;
  }
  return exit.code === undefined || exit.code === 0 ? "has ended" : `ended with code ${exit.code}`;
}

function whatIsNext(session: SessionMessage): string {
  switch (session.state) {
    case "reviewing":
    case "flushing":
      return " Its changes are in Source Control.";
    case "done":
      return " Nothing is left to decide.";
    case "created":
    case "preparing":
    case "starting":
    case "running":
    case "stopping":
    case "failed":
    case "discarded":
      return "";
  }
}
