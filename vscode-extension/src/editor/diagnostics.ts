// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { explain } from "../server/failure.js";
import type { Server } from "../server/server.js";

/** What a report of a problem needs, as text: versions, this machine, the session. No contents. */
export async function diagnosticsOf(
  server: Server,
  version: string,
  session: string | undefined,
): Promise<string> {
  const facts = {
    extension: version,
    editor: `${vscode.env.appName} ${vscode.version}`,
    remote: vscode.env.remoteName ?? "none",
    platform: `${process.platform} ${process.arch}`,
    doctor: await orFailure(server.request("bbox/doctor", {})),
    session:
      session === undefined
        ? null
        : await orFailure(server.request("bbox/sessions/get", { session })),
  };
  return `${JSON.stringify(facts, undefined, 2)}\n`;
}

/** A report is wanted most where something fails. */
async function orFailure(asked: Promise<unknown>): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    return { failed: explain(error) };
  }
}
