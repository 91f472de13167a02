// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { bulkOf, type Bulk } from "../review/bulk.js";
import { changeById, decision } from "../review/change_list.js";
import { isEmpty, leftOut, wordsOf } from "../review/flush_words.js";
import { failureOf } from "../server/failure.js";
import type { Server } from "../server/server.js";
import type {
  ChangeMessage,
  DecidableVerdict,
  DecisionMessage,
  FlushMessage,
  PlanMessage,
} from "../wire/messages.js";
import type { Session } from "./session.js";
import { sideUri } from "./side_uri.js";

const ACCEPT = "Accept";
const APPLY = "Apply the rest";
const UNDO = "Undo";
const ALL = "Accept All";
const WITHOUT = "Without Them";

/** What the user does to a session's changes. */
export class ReviewActions {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** The diff of a change; nothing if there is none of that id any more. */
  async open(session: Session, id: unknown): Promise<void> {
    const change = typeof id === "string" ? changeById(session.list, id) : undefined;
    if (change !== undefined) {
      const { left, right } = sides(session, change);
      const name = change.path.split("/").at(-1) ?? change.path;
      const title = `${name} (snapshot ↔ ${session.view.agent})`;
      await vscode.commands.executeCommand("vscode.diff", left, right, title);
    }
  }

  async openAll(session: Session): Promise<void> {
    const resources = session.list.changes
      .filter((change) => change.withheld === undefined)
      .map((change) => {
        const { left, right } = sides(session, change);
        return [vscode.Uri.joinPath(session.root, change.path), left, right];
      });
    const title = `${session.view.agent}'s changes`;
    await vscode.commands.executeCommand("vscode.changes", title, resources);
  }

  /** Decide on a change, or on one of its hunks. */
  async decide(
    session: Session,
    id: string,
    verdict: DecidableVerdict,
    hunk?: string,
  ): Promise<void> {
    const change = changeById(session.list, id);
    const found = change?.hunks.find((item) => item.id === hunk);
    if (change === undefined || (hunk !== undefined && found === undefined)) {
      session.refresh();
      vscode.window.setStatusBarMessage(
        "BBox: the agent has changed this meanwhile; look again.",
        5000,
      );
      return;
    }
    if (verdict === "accepted" && !(await isConfirmed(change))) {
      return;
    }
    await this.#send(session, [decision(change, verdict, found)]);
  }

  /** Accept what is undecided, but for what has to be decided on its own. */
  async acceptAll(session: Session): Promise<void> {
    const bulk = bulkOf(session.list);
    const isWithBuildFiles = bulk.buildFiles.length > 0 ? await areConfirmed(bulk) : false;
    if (isWithBuildFiles === undefined) {
      return;
    }
    const more = isWithBuildFiles ? bulk.ofBuildFiles : [];
    const decisions = [...bulk.ordinary, ...more];
    if (decisions.length > 0) {
      await this.#send(session, decisions, isWithBuildFiles ? bulk.buildFiles : []);
    }
    if (bulk.oneByOne.length > 0) {
      const paths = bulk.oneByOne.join(", ");
      await vscode.window.showInformationMessage(`To be decided one by one: ${paths}`);
    }
  }

  async undoDecision(session: Session): Promise<void> {
    await this.#server.request("bbox/review/undo", { session: session.view.id });
    session.refresh();
  }

  /** Write what is accepted into the workspace. */
  async apply(session: Session): Promise<void> {
    const params = { session: session.view.id };
    const plan = await this.#server.request("bbox/flush/plan", params);
    if (isEmpty(plan)) {
      await vscode.window.showInformationMessage("Nothing is accepted yet.");
      return;
    }
    if (!(await isPlanAgreed(plan))) {
      return;
    }
    const flush = await this.#server.request("bbox/flush/apply", {
      ...params,
      planHash: plan.planHash,
    });
    session.refresh();
    await this.#report(session, flush);
  }

  async undoApply(session: Session, flush?: number): Promise<void> {
    const undone = await this.#server.request("bbox/flush/undo", {
      session: session.view.id,
      ...(flush === undefined ? {} : { flush }),
    });
    session.refresh();
    await this.#report(session, undone);
  }

  async #send(
    session: Session,
    decisions: readonly DecisionMessage[],
    confirmed: readonly string[] = [],
  ): Promise<void> {
    const { revision } = session.list;
    try {
      await this.#server.request("bbox/review/decide", {
        session: session.view.id,
        revision,
        decisions,
        confirmed,
      });
    } catch (error) {
      // What was clicked is gone: show what there is now, then say so.
      if (failureOf(error)?.code === "review.stale") {
        session.refresh();
      }
      throw error;
    }
    session.refresh();
  }

  async #report(session: Session, flush: FlushMessage): Promise<void> {
    const { text, isWhole } = wordsOf(flush);
    const buttons = flush.kind === "flush" ? [UNDO] : [];
    const answer = isWhole
      ? await vscode.window.showInformationMessage(text, ...buttons)
      : await vscode.window.showWarningMessage(text, ...buttons);
    if (answer === UNDO) {
      await this.undoApply(session, flush.flush);
    }
  }
}

function sides(session: Session, change: ChangeMessage): { left: vscode.Uri; right: vscode.Uri } {
  const place = { session: session.view.id, path: change.path };
  return {
    left: sideUri({ ...place, side: "baseline" }),
    right: sideUri({ ...place, side: "agent" }),
  };
}

/** What can run on this machine is accepted only after its reason was read. */
async function isConfirmed(change: ChangeMessage): Promise<boolean> {
  if (change.tier !== "buildFile" && change.tier !== "executesOnHost") {
    return true;
  }
  const detail = `Look twice: ${change.reason ?? "it can run on this machine"}.`;
  const options = { modal: true, detail };
  const answer = await vscode.window.showWarningMessage(`Accept ${change.path}?`, options, ACCEPT);
  return answer === ACCEPT;
}

/** Whether build files are accepted as well; undefined if nothing is to be accepted. */
async function areConfirmed(bulk: Bulk): Promise<boolean | undefined> {
  const options = { modal: true, detail: bulk.buildFiles.join("\n") };
  const text = "These files can run on this machine when the project is built. Accept them too?";
  const answers = [ALL, WITHOUT] as const;
  const answer = await vscode.window.showWarningMessage(text, options, ...answers);
  return answer && answer === ALL;
}

/** A plan that leaves something out is shown first. */
async function isPlanAgreed(plan: PlanMessage): Promise<boolean> {
  const lines = leftOut(plan);
  if (lines.length === 0) {
    return true;
  }
  const options = { modal: true, detail: lines.join("\n") };
  const text = `${plan.operations.length} steps can be applied; not all of what is accepted.`;
  return (await vscode.window.showWarningMessage(text, options, APPLY)) === APPLY;
}
