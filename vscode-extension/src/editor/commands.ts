// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath } from "../review/change_list.js";
import type { DecidableVerdict } from "../wire/messages.js";
import { AgentTerminal } from "./agent_terminal.js";
import { COMMANDS, type CommandHandlers } from "./command_names.js";
import type { LensTarget } from "./hunk_lenses.js";
import { ReviewActions } from "./review_actions.js";
import type { Session } from "./session.js";
import type { ChangeRow } from "./source_control.js";
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
  const decideHunk = async (argument: unknown): Promise<void> => {
    const target = argument as LensTarget;
    await withSession((session) =>
      review.decide(session, target.change, target.verdict, target.hunk),
    );
  };
  const decideChange = async (argument: unknown, verdict: DecidableVerdict): Promise<void> => {
    await withSession(async (session) => {
      const change = changeOf(session, argument);
      if (change !== undefined) {
        await review.decide(session, change, verdict);
      }
    });
  };
  return {
    runAgent: () => runAgent(workbench),
    attachSession: () => attachSession(workbench),
    stopSession: () =>
      withSession(async (session) => {
        await workbench.server.request("bbox/sessions/stop", { session: session.view.id });
      }),
    showTerminal: () =>
      withSession((session) =>
        session.showTerminal(() => new AgentTerminal(`BBox: ${session.view.agent}`)),
      ),
    openChange: (argument) => withSession((session) => review.open(session, String(argument))),
    openAllChanges: () => withSession((session) => review.openAll(session)),
    acceptHunk: decideHunk,
    rejectHunk: decideHunk,
    acceptChange: (argument) => decideChange(argument, "accepted"),
    rejectChange: (argument) => decideChange(argument, "rejected"),
    undoDecision: () => withSession((session) => review.undoDecision(session)),
    applyAccepted: () => withSession((session) => review.apply(session)),
    undoApply: () => withSession((session) => review.undoApply(session)),
  };
}

async function runAgent(workbench: Workbench): Promise<void> {
  const folder = await pickFolder();
  if (folder === undefined) {
    return;
  }
  const { agents } = await workbench.server.request("bbox/agents/list", {});
  const items = agents.map((agent) => ({
    label: agent.name,
    description: agent.description,
    detail: agent.available ? "" : `Has to be got first: ${agent.missing.join(", ")}`,
    isAvailable: agent.available,
  }));
  // Those that can run now come first, each part in the server's order.
  items.sort((a, b) => Number(b.isAvailable) - Number(a.isAvailable));
  const placeHolder = "Which agent is to work in the microVM?";
  const picked = await vscode.window.showQuickPick(items, { placeHolder });
  if (picked !== undefined) {
    await workbench.run(picked.label, folder);
  }
}

async function attachSession(workbench: Workbench): Promise<void> {
  const folder = await pickFolder();
  if (folder === undefined) {
    return;
  }
  const workspaceUri = folder.uri.toString();
  const { sessions } = await workbench.server.request("bbox/sessions/list", { workspaceUri });
  const items = sessions.map((session) => ({
    label: session.agent || session.image,
    description: session.state,
    detail: `${new Date(session.createdAt * 1000).toLocaleString()}  ${session.id}`,
    session,
  }));
  if (items.length === 0) {
    await vscode.window.showInformationMessage("There is no session of this folder.");
    return;
  }
  const picked = await vscode.window.showQuickPick(items, { placeHolder: "Which session?" });
  if (picked !== undefined) {
    await workbench.attach(picked.session);
  }
}

async function pickFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length > 1) {
    return await vscode.window.showWorkspaceFolderPick();
  }
  if (folders[0] === undefined) {
    await vscode.window.showInformationMessage("Open a folder first: an agent works on one.");
  }
  return folders[0];
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

function isRow(value: unknown): value is ChangeRow {
  return typeof value === "object" && value !== null && "change" in value;
}
