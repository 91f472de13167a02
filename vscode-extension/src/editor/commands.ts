// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath } from "../review/change_list.js";
import { isLensTarget } from "../review/lens_target.js";
import type { DecidableVerdict } from "../wire/messages.js";
import { pickAgent, pickFolder, pickSession } from "./choices.js";
import { COMMANDS, type CommandHandlers } from "./command_names.js";
import { ReviewActions } from "./review_actions.js";
import type { Session } from "./session.js";
import { sidePath } from "./side_uri.js";
import type { Workbench } from "./workbench.js";

/** Register every command of the manifest. */
export function registerCommands(workbench: Workbench): vscode.Disposable {
  const handlers = handlersOf(workbench);
  return vscode.Disposable.from(
    ...Object.entries(COMMANDS).map(([name, command]) =>
      vscode.commands.registerCommand(command, async (argument: unknown) => {
        try {
          await handlers[name as keyof typeof COMMANDS](argument);
        } catch (error) {
          workbench.fail(error);
        }
      }),
    ),
  );
}

function handlersOf(workbench: Workbench): CommandHandlers {
  const review = new ReviewActions(workbench.server);
  const withSession = async (act: (session: Session) => Promise<void>): Promise<void> => {
    if (workbench.session === undefined) {
      await vscode.window.showInformationMessage("No agent was run in this window yet.");
      return;
    }
    await act(workbench.session);
  };
  const decideHunk = (target: unknown): Promise<void> =>
    withSession(async (session) => {
      if (isLensTarget(target)) {
        await review.decide(session, target.change, target.verdict, target.hunk);
      }
    });
  const decideChange = (argument: unknown, verdict: DecidableVerdict): Promise<void> =>
    withSession(async (session) => {
      const change = changeOf(session, argument);
      if (change !== undefined) {
        await review.decide(session, change, verdict);
      }
    });
  return {
    runAgent: () => runAgent(workbench),
    attachSession: () => attachSession(workbench),
    stopSession: () => withSession((session) => session.stop()),
    showTerminal: () => withSession((session) => workbench.showTerminal(session)),
    openChange: (argument) => withSession((session) => review.open(session, argument)),
    openAllChanges: () => withSession((session) => review.openAll(session)),
    acceptHunk: decideHunk,
    rejectHunk: decideHunk,
    takeBackHunk: decideHunk,
    acceptChange: (argument) => decideChange(argument, "accepted"),
    rejectChange: (argument) => decideChange(argument, "rejected"),
    takeBackChange: (argument) => decideChange(argument, "undecided"),
    acceptAll: () => withSession((session) => review.acceptAll(session)),
    undoDecision: () => withSession((session) => review.undoDecision(session)),
    applyAccepted: () => withSession((session) => review.apply(session)),
    undoApply: () => withSession((session) => review.undoApply(session)),
    showLog: () => {
      workbench.showLog();
      return Promise.resolve();
    },
  };
}

async function runAgent(workbench: Workbench): Promise<void> {
  const folder = await pickFolder();
  const agent = folder && (await pickAgent(workbench.server));
  if (folder !== undefined && agent !== undefined) {
    await workbench.run(agent, folder);
  }
}

async function attachSession(workbench: Workbench): Promise<void> {
  const folder = await pickFolder();
  const session = folder && (await pickSession(workbench.server, folder));
  if (session !== undefined) {
    await workbench.attach(session, "take");
  }
}

/** A row of Source Control, a diff's address, or nothing: then the diff that is on the screen. */
function changeOf(session: Session, argument: unknown): string | undefined {
  if (isRow(argument)) {
    return argument.change;
  }
  const shown = vscode.window.activeTextEditor?.document.uri;
  const uri = argument instanceof vscode.Uri ? argument : shown;
  const place = uri && sidePath(uri);
  return place && changeByPath(session.list, place.path)?.id;
}

function isRow(value: unknown): value is { readonly change: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "change" in value &&
    typeof value.change === "string"
  );
}
