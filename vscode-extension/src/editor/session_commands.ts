// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { logText } from "../session/log_text.js";
import { choiceName, type RunChoice } from "../session/run_choice.js";
import { askForOptions, askForTrust, pickAgent, pickFolder, pickSession } from "./choices.js";
import type { COMMANDS, CommandHandlers } from "./command_names.js";
import { diagnosticsOf } from "./diagnostics.js";
import { checkMachine } from "./machine_check.js";
import type { Session } from "./session.js";
import { listedOf, sessionIdOf } from "./targets.js";
import type { Workbench } from "./workbench.js";

const DISCARD = "Discard";

type SessionCommand = Extract<
  keyof typeof COMMANDS,
  | `run${string}`
  | `${string}Session`
  | `${string}Sessions`
  | "copyDiagnostics"
  | "showSessionLog"
  | "checkMachine"
  | "showTerminal"
  | "showLog"
>;

/** Commands that begin, show and end sessions. */
export function sessionCommands(
  workbench: Workbench,
  version: string,
): Pick<CommandHandlers, SessionCommand> {
  return {
    runAgent: () => run(workbench),
    runAgain: () => runAgain(workbench),
    runWithOptions: () => run(workbench, askForOptions),
    attachSession: (entry) => attach(workbench, entry),
    stopSession: (about) => stop(workbench, about),
    discardSession: (about) => discard(workbench, about),
    closeSession: (about) =>
      withSession(workbench, about, (session) => workbench.hide(session.view.id)),
    refreshSessions: () => {
      workbench.tree.refresh();
      return Promise.resolve();
    },
    showSessionLog: (about) => showSessionLog(workbench, about),
    copyDiagnostics: (about) => copyDiagnostics(workbench, version, about),
    checkMachine: () => checkMachine(workbench.server),
    showTerminal: (about) =>
      withSession(workbench, about, (session) => workbench.showTerminal(session)),
    showLog: () => {
      workbench.showLog();
      return Promise.resolve();
    },
  };
}

/** Act on the session that a command is about; says so if this window shows none. */
export async function withSession(
  workbench: Workbench,
  about: unknown,
  act: (session: Session) => Promise<void>,
): Promise<void> {
  const session = workbench.sessions.about(about);
  if (session === undefined) {
    await vscode.window.showInformationMessage("This window shows no session of an agent yet.");
    return;
  }
  await act(session);
}

async function run(
  workbench: Workbench,
  more: (choice: RunChoice) => Promise<RunChoice | undefined> = (choice) => Promise.resolve(choice),
): Promise<void> {
  const folder = await pickFolder();
  const picked = folder && (await pickAgent(workbench.server, workbench.memory.choice));
  const choice = picked && (await more(picked));
  if (folder !== undefined && choice !== undefined) {
    await begin(workbench, choice, folder);
  }
}

async function runAgain(workbench: Workbench): Promise<void> {
  const { choice } = workbench.memory;
  if (choice === undefined) {
    await run(workbench);
    return;
  }
  const folder = await pickFolder();
  if (folder !== undefined) {
    vscode.window.setStatusBarMessage(`BBox: ${choiceName(choice)}`, 5000);
    await begin(workbench, choice, folder);
  }
}

async function begin(
  workbench: Workbench,
  choice: RunChoice,
  folder: vscode.WorkspaceFolder,
): Promise<void> {
  if (await askForTrust(workbench.server, folder)) {
    await workbench.run(choice, folder);
  }
}

async function attach(workbench: Workbench, entry: unknown): Promise<void> {
  const listed = listedOf(entry);
  if (listed !== undefined) {
    await workbench.attach(listed, "take");
    return;
  }
  const folder = await pickFolder();
  const session = folder && (await pickSession(workbench.server, folder));
  if (session !== undefined) {
    await workbench.attach(session, "take");
  }
}

async function stop(workbench: Workbench, about: unknown): Promise<void> {
  const listed = listedOf(about);
  if (listed === undefined) {
    await withSession(workbench, about, (session) => session.stop());
    return;
  }
  await workbench.server.request("bbox/sessions/stop", { session: listed.id });
  workbench.tree.refresh();
}

async function discard(workbench: Workbench, about: unknown): Promise<void> {
  const found = listedOf(about) ?? workbench.sessions.about(about)?.view;
  if (found === undefined) {
    return;
  }
  const text = `Discard what ${found.agent || "the agent"} has changed?`;
  const detail = "All that was not applied is deleted, and can't be brought back.";
  const options = { modal: true, detail };
  if ((await vscode.window.showWarningMessage(text, options, DISCARD)) === DISCARD) {
    await workbench.server.request("bbox/sessions/discard", { session: found.id });
    await workbench.hide(found.id);
  }
}

async function showSessionLog(workbench: Workbench, about: unknown): Promise<void> {
  const session = sessionIdOf(about) ?? workbench.sessions.about(about)?.view.id;
  if (session !== undefined) {
    const log = await workbench.server.request("bbox/sessions/log", { session });
    const document = await vscode.workspace.openTextDocument({
      content: logText(log),
      language: "log",
    });
    await vscode.window.showTextDocument(document);
  }
}

async function copyDiagnostics(
  workbench: Workbench,
  version: string,
  about: unknown,
): Promise<void> {
  const session = sessionIdOf(about) ?? workbench.sessions.about(about)?.view.id;
  await vscode.env.clipboard.writeText(await diagnosticsOf(workbench.server, version, session));
  await vscode.window.showInformationMessage("BBox: the diagnostics are in the clipboard.");
}
