// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Server } from "../server/server.js";
import {
  numberFault,
  optionsOf,
  wordsOf,
  type RunChoice,
  type TypedOptions,
} from "../session/run_choice.js";
import { trustQuestion } from "../session/trust.js";
import type { EgressProfile, SessionMessage } from "../wire/messages.js";

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

const ANY_IMAGE = "Any image…";

/**
 * An agent or an image. The last choice comes first, then what can run now, each part in the
 * server's order.
 */
export async function pickAgent(server: Server, last?: RunChoice): Promise<RunChoice | undefined> {
  const { agents } = await server.request("bbox/agents/list", {});
  const items = agents.map((agent) => ({
    label: agent.name,
    description: agent.description,
    detail: agent.available ? "" : `Can't run yet: ${agent.missing.join("; ")}`,
    rank: Number(agent.name !== last?.agent) + Number(!agent.available),
  }));
  items.sort((a, b) => a.rank - b.rank);
  const image = { label: ANY_IMAGE, description: "a program in an OCI image", detail: "", rank: 9 };
  const placeHolder = "Which agent is to work in the microVM?";
  const picked = await vscode.window.showQuickPick([...items, image], { placeHolder });
  if (picked === image) {
    return await askForImage(last);
  }
  return picked && { agent: picked.label };
}

async function askForImage(last: RunChoice | undefined): Promise<RunChoice | undefined> {
  const image = await vscode.window.showInputBox({
    prompt: "An OCI image: NAME:TAG, oci:DIRECTORY or docker-archive:FILE",
    value: last?.image ?? "",
    ignoreFocusOut: true,
  });
  if (image === undefined || image.trim() === "") {
    return undefined;
  }
  const args = await askForArguments("The command to run; nothing for the image's own.");
  return args && { image: image.trim(), ...(args.length === 0 ? {} : { args }) };
}

/** Words for the agent's command line; undefined if the user wants none of it any more. */
async function askForArguments(prompt: string): Promise<readonly string[] | undefined> {
  const line = await vscode.window.showInputBox({
    prompt,
    ignoreFocusOut: true,
    validateInput: (text) => (wordsOf(text) === undefined ? "A quote is not closed." : undefined),
  });
  return line === undefined ? undefined : wordsOf(line);
}

const PROFILES: readonly {
  readonly label: string;
  readonly detail: string;
  readonly profile: EgressProfile | "";
}[] = [
  { label: "Default", detail: "What your config says for this agent.", profile: "" },
  {
    label: "standard",
    detail: "Its provider, git hosts, and the package hosts that your clients are set up for.",
    profile: "standard",
  },
  { label: "locked", detail: "Its provider alone.", profile: "locked" },
  {
    label: "permissive",
    detail: "Any name and public address; private ones never.",
    profile: "permissive",
  },
];

/** How to run it, step by step; each is left at the default with Enter. */
export async function askForOptions(choice: RunChoice): Promise<RunChoice | undefined> {
  const args = choice.image === undefined ? await askForArguments(ARGUMENTS) : [];
  const typed = args && (await askForMachine());
  if (args === undefined || typed === undefined) {
    return undefined;
  }
  return { ...choice, ...(args.length === 0 ? {} : { args }), options: optionsOf(typed) };
}

async function askForMachine(): Promise<TypedOptions | undefined> {
  const cpus = await askForNumber("How many CPUs?");
  const memoryMib = cpus === undefined ? undefined : await askForNumber("How much memory, in MiB?");
  if (cpus === undefined || memoryMib === undefined) {
    return undefined;
  }
  const placeHolder = "How much of the network may it reach?";
  const picked = await vscode.window.showQuickPick(PROFILES, { placeHolder, ignoreFocusOut: true });
  return picked && { cpus, memoryMib, egressProfile: picked.profile };
}

const ARGUMENTS = "A prompt or arguments for the agent, quoted as in a shell; nothing for none.";

async function askForNumber(prompt: string): Promise<string | undefined> {
  return await vscode.window.showInputBox({
    prompt: `${prompt} Nothing for the default.`,
    validateInput: numberFault,
    ignoreFocusOut: true,
  });
}

const ALLOW = "Allow It";
const REFUSE = "Run Without It";

/**
 * Ask, once for each content of the workspace's own config, what it wants beyond the user's.
 * False if the user wants no run at all.
 */
export async function askForTrust(
  server: Server,
  folder: vscode.WorkspaceFolder,
): Promise<boolean> {
  const workspaceUri = folder.uri.toString();
  const found = await server.request("bbox/trust/get", { workspaceUri });
  const detail = trustQuestion(found);
  if (detail === undefined || found.digest === undefined) {
    return true;
  }
  const text = `The .broodbox.yaml of ${folder.name} asks for more than you allow.`;
  const options = { modal: true, detail };
  const answer = await vscode.window.showWarningMessage(text, options, ALLOW, REFUSE);
  if (answer === undefined) {
    return false;
  }
  const decision = answer === ALLOW ? "trusted" : "refused";
  await server.request("bbox/trust/decide", { workspaceUri, digest: found.digest, decision });
  return true;
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
