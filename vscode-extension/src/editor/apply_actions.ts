// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { isEmpty, leftOut, willDo, wordsOf } from "../review/flush_words.js";
import { pathsBelow } from "../review/paths.js";
import type { Server } from "../server/server.js";
import type { FlushMessage, FlushPlanParams, PlanMessage } from "../wire/messages.js";
import type { Session } from "./session.js";

const APPLY = "Apply";
const UNDO = "Undo";
const FORWARD = "Move My Branch There";

/** Writing what is accepted into the workspace, and taking it back. */
export class ApplyActions {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Show what will be written, then write it: all at once, or what fails stays undecided. */
  async apply(session: Session): Promise<void> {
    const params = { session: session.view.id, unsaved: unsavedIn(session) };
    const plan = await this.#server.request("bbox/flush/plan", params);
    if (isEmpty(plan)) {
      await vscode.window.showInformationMessage("Nothing is accepted yet.");
      return;
    }
    if (await isAgreed(session, plan)) {
      await this.#write(session, params, plan);
    }
  }

  /** Write what is accepted, where the user's config says so; what can't be applied stays. */
  async applyUnasked(session: Session): Promise<void> {
    const params = { session: session.view.id, unsaved: unsavedIn(session) };
    const plan = await this.#server.request("bbox/flush/plan", params);
    if (plan.operations.length > 0) {
      await this.#write(session, params, plan);
    }
  }

  async #write(session: Session, params: FlushPlanParams, plan: PlanMessage): Promise<void> {
    const location = vscode.ProgressLocation.Notification;
    const title = `Applying ${session.view.agent}'s changes…`;
    const flush = await vscode.window.withProgress({ location, title }, () =>
      this.#server.request("bbox/flush/apply", { ...params, planHash: plan.planHash }),
    );
    session.refresh();
    await this.#report(session, flush);
  }

  /** Restore what was there before; what the user has edited since stays as it is. */
  async undo(session: Session, flush?: number): Promise<void> {
    const undone = await this.#server.request("bbox/flush/undo", {
      session: session.view.id,
      ...(flush === undefined ? {} : { flush }),
    });
    session.refresh();
    await this.#report(session, undone);
  }

  async #report(session: Session, flush: FlushMessage): Promise<void> {
    const { text, isWhole } = wordsOf(flush);
    const isFlush = flush.kind === "flush";
    const canForward = isFlush && flush.refs.some((ref) => ref.branch !== undefined);
    const buttons = [...(isFlush ? [UNDO] : []), ...(canForward ? [FORWARD] : [])];
    const answer = isWhole
      ? await vscode.window.showInformationMessage(text, ...buttons)
      : await vscode.window.showWarningMessage(text, ...buttons);
    if (answer === UNDO) {
      await this.undo(session, flush.flush);
    } else if (answer === FORWARD) {
      await this.#forward(session, flush.flush);
    }
  }

  async #forward(session: Session, flush: number): Promise<void> {
    const params = { session: session.view.id, flush };
    const { refs } = await this.#server.request("bbox/flush/forward", params);
    const failed = refs.flatMap((ref) =>
      ref.failure === undefined ? [] : [`${ref.branch ?? ref.ref}: ${ref.failure}`],
    );
    if (failed.length > 0) {
      await vscode.window.showWarningMessage(`Not moved: ${failed.join(", ")}`);
    }
  }
}

/** Files of the session's folder whose newest text is only in this editor. */
function unsavedIn(session: Session): readonly string[] {
  const dirty = vscode.workspace.textDocuments.filter((document) => document.isDirty);
  const files = dirty.filter((document) => document.uri.scheme === session.root.scheme);
  return pathsBelow(
    session.root.path,
    files.map((document) => document.uri.path),
  );
}

async function isAgreed(session: Session, plan: PlanMessage): Promise<boolean> {
  const steps = willDo(plan);
  const rest = leftOut(plan).map((line) => `Not applied — ${line}`);
  if (steps.length === 0) {
    const detail = rest.join("\n");
    await vscode.window.showWarningMessage("Nothing can be applied.", { modal: true, detail });
    return false;
  }
  const text = `Apply ${session.view.agent}'s accepted changes?`;
  const options = { modal: true, detail: [...steps, ...rest].join("\n") };
  return (await vscode.window.showInformationMessage(text, options, APPLY)) === APPLY;
}
