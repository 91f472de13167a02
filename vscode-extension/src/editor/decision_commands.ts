// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeById, changeByPath, grouped, undecidedOf } from "../review/change_list.js";
import { isLensTarget, type LensTarget } from "../review/lens_target.js";
import { spotAt, type Spot } from "../review/undecided.js";
import type { ChangeMessage, DecidableVerdict } from "../wire/messages.js";
import { ApplyActions } from "./apply_actions.js";
import type { COMMANDS, CommandHandlers } from "./command_names.js";
import { ReviewActions } from "./review_actions.js";
import { ReviewViews } from "./review_views.js";
import type { Session } from "./session.js";
import { withSession } from "./session_commands.js";
import { changePath } from "./side_uri.js";
import { rowsOf, shownUri } from "./targets.js";
import type { Workbench } from "./workbench.js";

type DecisionCommand = Extract<
  keyof typeof COMMANDS,
  | `${string}Change`
  | `${string}Hunk`
  | `${string}All`
  | `${string}Undecided`
  | "openAllChanges"
  | "undoDecision"
  | "applyAccepted"
  | "undoApply"
>;

/** Commands on a session's changes. */
export function decisionCommands(workbench: Workbench): Pick<CommandHandlers, DecisionCommand> {
  const commands = new DecisionCommands(workbench);
  return {
    openChange: (about) => commands.open(about),
    openAllChanges: (about) => commands.on(about, (session) => commands.views.openAll(session)),
    nextUndecided: (about) => commands.on(about, (session) => commands.views.move(session, "next")),
    previousUndecided: (about) =>
      commands.on(about, (session) => commands.views.move(session, "previous")),
    acceptHunk: (about) => commands.decideHunk(about, "accepted"),
    rejectHunk: (about) => commands.decideHunk(about, "rejected"),
    takeBackHunk: (about) => commands.decideHunk(about, "undecided"),
    editChange: (about) => commands.edit(about),
    acceptChange: (...about) => commands.decideChanges(about, "accepted"),
    rejectChange: (...about) => commands.decideChanges(about, "rejected"),
    takeBackChange: (...about) => commands.decideChanges(about, "undecided"),
    acceptAll: (about) =>
      commands.on(about, (session) =>
        commands.review.acceptMany(session, commands.inGroup(session, about)),
      ),
    rejectAll: (about) =>
      commands.on(about, (session) =>
        commands.review.rejectMany(session, commands.inGroup(session, about)),
      ),
    undoDecision: (about) => commands.on(about, (session) => commands.review.undoDecision(session)),
    applyAccepted: (about) => commands.on(about, (session) => commands.apply.apply(session)),
    undoApply: (about) => commands.on(about, (session) => commands.apply.undo(session)),
  };
}

class DecisionCommands {
  readonly review: ReviewActions;
  readonly apply: ApplyActions;
  readonly views: ReviewViews;
  readonly #workbench: Workbench;

  constructor(workbench: Workbench) {
    this.#workbench = workbench;
    this.review = new ReviewActions(workbench.server);
    this.apply = new ApplyActions(workbench.server);
    this.views = new ReviewViews(workbench.drafts);
  }

  async on(about: unknown, act: (session: Session) => Promise<void>): Promise<void> {
    await withSession(this.#workbench, about, act);
  }

  async open(about: unknown): Promise<void> {
    await this.on(about, async (session) => {
      const [row] = rowsOf([about]);
      const change = row && changeById(session.list, row.change);
      if (change !== undefined) {
        await this.views.open(session, change);
      }
    });
  }

  /** A lens that was clicked, or by a key what the cursor is in. */
  async decideHunk(about: unknown, verdict: DecidableVerdict): Promise<void> {
    await this.on(about, async (session) => {
      if (isLensTarget(about)) {
        await this.review.decide(session, about.change, verdict, about.hunk);
        return;
      }
      const spot = spotOf(session);
      if (spot !== undefined) {
        await this.review.decideOn(session, spot.change, verdict, spot.hunk);
      }
    });
  }

  async edit(about: unknown): Promise<void> {
    await this.on(about, async (session) => {
      const spot = isLensTarget(about) ? targetSpot(session, about) : spotOf(session, about);
      if (spot !== undefined) {
        await this.views.edit(session, spot.change, spot.line);
      }
    });
  }

  /** Rows that are selected, a folder's, a diff's address; without any, what has the focus. */
  async decideChanges(about: readonly unknown[], verdict: DecidableVerdict): Promise<void> {
    const [first] = about;
    await this.on(first, async (session) => {
      const rows = rowsOf(about).flatMap((row) => changeById(session.list, row.change) ?? []);
      const [change = spotOf(session, first)?.change] = rows;
      if (rows.length > 1) {
        await this.#decideMany(session, rows, verdict);
      } else if (change !== undefined) {
        await this.review.decide(session, change.id, verdict);
      }
    });
  }

  /** The changes of the group that a menu is on; without one, all that is undecided. */
  inGroup(session: Session, about: unknown): readonly ChangeMessage[] {
    const group = this.#workbench.sessions.groupOf(about);
    return group === undefined ? undecidedOf(session.list) : grouped(session.list)[group];
  }

  async #decideMany(
    session: Session,
    changes: readonly ChangeMessage[],
    verdict: DecidableVerdict,
  ): Promise<void> {
    switch (verdict) {
      case "accepted":
        await this.review.acceptMany(session, changes);
        break;
      case "rejected":
        await this.review.rejectMany(session, changes);
        break;
      case "undecided":
        await this.review.takeBackMany(session, changes);
        break;
    }
  }
}

/** What the cursor is in, of a diff of this session; or of the row or file that a menu is on. */
function spotOf(session: Session, about?: unknown): Spot | undefined {
  const [row] = rowsOf([about]);
  if (row !== undefined) {
    const change = changeById(session.list, row.change);
    return change && spotAt(change, 0);
  }
  const uri = shownUri(about);
  const place = uri && changePath(uri);
  if (uri === undefined || place?.session !== session.view.id) {
    return undefined;
  }
  const change = changeByPath(session.list, place.path);
  return change && spotAt(change, cursorLine(uri));
}

/** Where the cursor is, if it is in this document. */
function cursorLine(uri: vscode.Uri): number {
  const editor = vscode.window.activeTextEditor;
  return editor?.document.uri.toString() === uri.toString() ? editor.selection.active.line : 0;
}

function targetSpot(session: Session, target: LensTarget): Spot | undefined {
  const change = changeById(session.list, target.change);
  const hunk = change?.hunks.find((item) => item.id === target.hunk);
  return change && (hunk === undefined ? { change, line: 0 } : spotAt(change, hunk.newStart));
}
