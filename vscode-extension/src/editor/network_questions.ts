// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Server } from "../server/server.js";
import {
  ANSWERS,
  askingWords,
  nameOf,
  OFFERED,
  QuestionQueue,
} from "../session/network_question.js";
import type { Answer, QuestionMessage } from "../wire/messages.js";

const DETAILS = "Details";

/** Names that the guest waits for, as quiet notifications, one at a time. */
export class NetworkQuestions {
  readonly #server: Server;
  readonly #failed: (error: unknown) => void;
  readonly #queue = new QuestionQueue();

  constructor(server: Server, failed: (error: unknown) => void) {
    this.#server = server;
    this.#failed = failed;
  }

  /** Ask the user. A question that is closed without an answer ends by itself: as a refusal. */
  ask(session: string, agent: string, question: QuestionMessage): void {
    this.#queue.add(question);
    this.#showNext(session, agent);
  }

  /** Ask what was open before this window was there. */
  async askOpen(session: string, agent: string): Promise<void> {
    const { questions } = await this.#server.request("bbox/network/list", { session });
    for (const question of questions) {
      this.ask(session, agent, question);
    }
  }

  answeredElsewhere(question: QuestionMessage): void {
    this.#queue.remove(question);
  }

  #showNext(session: string, agent: string): void {
    const question = this.#queue.next();
    if (question === undefined) {
      return;
    }
    this.#put(session, agent, question)
      .catch(this.#failed)
      .finally(() => {
        this.#queue.done();
        this.#showNext(session, agent);
      });
  }

  async #put(session: string, agent: string, question: QuestionMessage): Promise<void> {
    const words = askingWords(agent, question, this.#queue.size);
    const buttons = ANSWERS.filter((item) => OFFERED.includes(item.answer)).map(
      (item) => item.label,
    );
    const pressed = await vscode.window.showInformationMessage(words, ...buttons, DETAILS);
    const answer = pressed === DETAILS ? await choose(question) : answerOf(pressed);
    if (answer !== undefined) {
      await this.#server.request("bbox/network/answer", { session, ...question, answer });
    }
  }
}

function answerOf(label: string | undefined): Answer | undefined {
  return ANSWERS.find((item) => item.label === label)?.answer;
}

/** All answers, each with what it means. */
async function choose(question: QuestionMessage): Promise<Answer | undefined> {
  const title = `${nameOf(question)} from inside the microVM`;
  const placeHolder = "The name is the guest's word. Without an answer it is refused.";
  return (await vscode.window.showQuickPick(ANSWERS, { title, placeHolder }))?.answer;
}
