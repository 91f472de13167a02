// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Server } from "../server/server.js";
import type { SessionMessage } from "../wire/messages.js";

/** The folder that an agent works on: the only one, or the one that is chosen. */
export async function pickFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length > 1) {
    return await vscode.window.showWorkspaceFolderPick();
  }
  if (folders[0] === undefined) {
    await vscode.window.showInformationMessage("Open a folder first: an agent works on one.");
  }
  return folders[0];
}

/** The name of an agent; those that can run now come first, each part in the server's order. */
export async function pickAgent(server: Server): Promise<string | undefined> {
  const { agents } = await server.request("bbox/agents/list", {});
  const items = agents.map((agent) => ({
    label: agent.name,
    description: agent.description,
    detail: agent.available ? "" : `Has to be got first: ${agent.missing.join(", ")}`,
    isAvailable: agent.available,
  }));
  items.sort((a, b) => Number(b.isAvailable) - Number(a.isAvailable));
  const placeHolder = "Which agent is to work in the microVM?";
  return (await vscode.window.showQuickPick(items, { placeHolder }))?.label;
}

/** A session of a folder that is not over. */
export async function pickSession(
  server: Server,
  folder: vscode.WorkspaceFolder,
): Promise<SessionMessage | undefined> {
  const workspaceUri = folder.uri.toString();
  const { sessions } = await server.request("bbox/sessions/list", { workspaceUri });
  const items = sessions.map((session) => ({
    label: session.agent || session.image,
    description: session.state,
    detail: `${new Date(session.createdAt * 1000).toLocaleString()}  ${session.id}`,
    session,
  }));
  if (items.length === 0) {
    await vscode.window.showInformationMessage("There is no session of this folder.");
    return undefined;
  }
  return (await vscode.window.showQuickPick(items, { placeHolder: "Which session?" }))?.session;
}
