// SPDX-License-Identifier: Apache-2.0
import type { MessageConnection } from "vscode-jsonrpc/node";

import { PROTOCOL_VERSION } from "../wire/methods.js";

/** Say who we are; returns why we can't understand one another, if so. */
export async function introduce(connection: MessageConnection): Promise<string | undefined> {
  const answer: unknown = await connection.sendRequest("initialize", {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
    initializationOptions: { bbox: { protocolVersion: PROTOCOL_VERSION } },
  });
  const version = protocolVersionOf(answer);
  if (version !== PROTOCOL_VERSION) {
    return (
      `bbox-server speaks version ${String(version)} of the protocol and this extension version ` +
      `${PROTOCOL_VERSION}. Update the older one of them.`
    );
  }
  await connection.sendNotification("initialized", {});
  return undefined;
}

function protocolVersionOf(answer: unknown): unknown {
  return ["capabilities", "experimental", "bbox", "protocolVersion"].reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null
        ? (value as Readonly<Record<string, unknown>>)[key]
        : undefined,
    answer,
  );
}
