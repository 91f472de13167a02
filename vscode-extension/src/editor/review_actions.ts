// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { bulkOf, rejectionsOf, type Bulk } from "../review/bulk.js";
import { changeById, decision } from "../review/change_list.js";
import { failureOf } from "../server/failure.js";
import type { Server } from "../server/server.js";
import type {
  ChangeMessage,
  DecidableVerdict,
  DecisionMessage,
  HunkMessage,
} from "../wire/messages.js";
import type { Session } from "./session.js";

const ACCEPT = "Accept";
const REJECT = "Reject";
const ALL = "Accept All";
const WITHOUT = "Without Them";
/** Rejecting more than so many at once is asked for: it may have been a slip. */
const MANY = 1;

/** What the user decides on a session's changes. */
export class ReviewActions {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
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
    await this.decideOn(session, change, verdict, found);
  }

  /** Decide on what is on the screen. */
  async decideOn(
    session: Session,
    change: ChangeMessage,
    verdict: DecidableVerdict,
    hunk?: HunkMessage,
  ): Promise<void> {
    if (verdict === "accepted" && !(await isConfirmed(change))) {
      return;
    }
    await this.#send(session, [decision(change, verdict, hunk)]);
  }

  /** Accept what is undecided of these, but for what has to be decided on its own. */
  async acceptMany(session: Session, changes: readonly ChangeMessage[]): Promise<void> {
    const bulk = bulkOf(changes);
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

  /** Accept what needs no second look, and ask nothing: the user's config says so. */
  async acceptOrdinary(session: Session, changes: readonly ChangeMessage[]): Promise<void> {
    const { ordinary } = bulkOf(changes);
    if (ordinary.length > 0) {
      await this.#send(session, ordinary);
    }
  }

  /** Reject all of these. */
  async rejectMany(session: Session, changes: readonly ChangeMessage[]): Promise<void> {
    const decisions = rejectionsOf(changes);
    if (decisions.length > MANY) {
      const text = `Reject ${decisions.length} changes?`;
      const detail = "They stay with the session until it is discarded, and can be taken back.";
      const options = { modal: true, detail };
      if ((await vscode.window.showWarningMessage(text, options, REJECT)) !== REJECT) {
        return;
      }
    }
    if (decisions.length > 0) {
      await this.#send(session, decisions);
    }
  }

  /** Set several changes back to undecided. */
  async takeBackMany(session: Session, changes: readonly ChangeMessage[]): Promise<void> {
    await this.#send(
      session,
      changes.map((change) => decision(change, "undecided")),
    );
  }

  async undoDecision(session: Session): Promise<void> {
    const undone = await this.#server.request("bbox/review/undo", { session: session.view.id });
    session.adopt(undone);
  }

  async #send(
    session: Session,
    decisions: readonly DecisionMessage[],
    confirmed: readonly string[] = [],
  ): Promise<void> {
    const { revision } = session.list;
    try {
      const reviewed = await this.#server.request("bbox/review/decide", {
        session: session.view.id,
        revision,
        decisions,
        confirmed,
      });
      session.adopt(reviewed);
    } catch (error) {
      // What was clicked is gone: show what there is now, then say so.
      if (failureOf(error)?.code === "review.stale") {
        session.refresh();
      }
      throw error;
    }
  }
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
