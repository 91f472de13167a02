// SPDX-License-Identifier: Apache-2.0
import type { Answer, EventMessage, QuestionMessage } from "../wire/messages.js";

/** What can be said to a name that no rule allows, in the order that it is offered in. */
export const ANSWERS: readonly {
  readonly answer: Answer;
  readonly label: string;
  readonly detail: string;
}[] = [
  {
    answer: "once",
    label: "Allow Once",
    detail: "What waits now, and what follows within a minute.",
  },
  {
    answer: "session",
    label: "Allow for This Session",
    detail: "Until the session ends.",
  },
  {
    answer: "always",
    label: "Always Allow",
    detail: "In later sessions too: it is written to your own config, never to the workspace's.",
  },
  {
    answer: "deny",
    label: "Deny",
    detail: "Refused at once until the session ends, without another question.",
  },
];

/** What of them is on a notification; the others are behind its details. */
export const OFFERED: readonly Answer[] = ["once", "session", "always"];

/** The question that an event asks, or tells the answer of. */
export function questionOf(
  event: EventMessage,
  kind: "network.ask" | "network.answered",
): QuestionMessage | undefined {
  const { host, port } = event.fields;
  return event.kind === kind && typeof host === "string" && typeof port === "number"
    ? { host, port }
    : undefined;
}

/**
 * The questions that the user has not seen yet, one shown at a time.
 *
 * The guest decides how many there are (at most 256 a session): they never cover the screen.
 */
export class QuestionQueue {
  readonly #waiting = new Map<string, QuestionMessage>();
  #shown: string | undefined;

  /** How many wait behind the one that is shown. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Take a question; one that is shown or waits already is no other one. */
  add(question: QuestionMessage): void {
    const name = nameOf(question);
    if (name !== this.#shown) {
      this.#waiting.set(name, question);
    }
  }

  /** Somebody has answered it, here or in another window. */
  remove(question: QuestionMessage): void {
    this.#waiting.delete(nameOf(question));
  }

  /** The next one to show, if none is shown; it counts as shown until `done`. */
  next(): QuestionMessage | undefined {
    const [first] = this.#waiting;
    if (this.#shown !== undefined || first === undefined) {
      return undefined;
    }
    const [name, question] = first;
    this.#waiting.delete(name);
    this.#shown = name;
    return question;
  }

  done(): void {
    this.#shown = undefined;
  }
}

/** The sentence of a notification. The name is the guest's word: text, and never a link. */
export function askingWords(agent: string, question: QuestionMessage, waiting: number): string {
  const more = waiting === 0 ? "" : ` ${waiting} more to answer.`;
  return `${agent} waits for ${nameOf(question)}, which no rule allows.${more}`;
}

/** `HOST:PORT`. */
export function nameOf(question: QuestionMessage): string {
  return `${question.host}:${question.port}`;
}
