// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { PROTOCOL_VERSION } from "../wire/methods.js";
import { Server, type ServerListener } from "./server.js";

const JSON_RPC = createRequire(import.meta.url).resolve("vscode-jsonrpc/node");

let root = "";
let server: Server | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "bbox-server-"));
});

afterEach(async () => {
  await server?.dispose();
  await rm(root, { recursive: true });
});

/** A program that answers as the body says; `connection` and `version` are there for it. */
async function program(body: string): Promise<string> {
  const path = join(root, "bbox-server");
  await writeFile(
    path,
    `#!${process.execPath}
    const rpc = require(${JSON.stringify(JSON_RPC)});
    const connection = rpc.createMessageConnection(process.stdin, process.stdout);
    const introduced = (protocolVersion) =>
      connection.onRequest("initialize", () =>
        ({ capabilities: { experimental: { bbox: { protocolVersion } } } }));
    const version = ${PROTOCOL_VERSION};
    connection.onRequest("shutdown", () => null);
    connection.onNotification("exit", () => process.exit(0));
    ${body}
    connection.listen();`,
  );
  await chmod(path, 0o755);
  return path;
}

/** A server of that program; `lost` is fulfilled at the first loss. */
async function start(body: string): Promise<{ server: Server; lost: Promise<[string, boolean]> }> {
  const path = await program(body);
  let started: Server | undefined;
  const lost = new Promise<[string, boolean]>((resolve) => {
    const nothing = (): void => undefined;
    const listener: ServerListener = {
      event: nothing,
      terminalData: nothing,
      terminalEnded: nothing,
      sessionLost: nothing,
      lost: (...loss) => {
        resolve(loss);
      },
      log: nothing,
    };
    started = new Server(() => Promise.resolve(path), listener);
  });
  if (started === undefined) {
    throw new Error("a promise runs its function at once");
  }
  server = started;
  return { server: started, lost };
}

describe("Server", () => {
  it("asks a process that it starts when it is first needed", async () => {
    const { server } = await start(`introduced(version);
      connection.onRequest("bbox/agents/list", () => ({ agents: [], pid: process.pid }));`);
    const first = await server.request("bbox/agents/list", {});
    expect(first).toMatchObject({ agents: [] });
    expect(await server.request("bbox/agents/list", {})).toEqual(first);
  });

  it("says what a program that ends at once said last", async () => {
    const { server } = await start(`console.error("no such option"); process.exit(3);`);
    await expect(server.request("bbox/doctor", {})).rejects.toThrow(
      "bbox-server ended with code 3. It said: no such option",
    );
  });

  it("says which side is older", async () => {
    const { server } = await start(`introduced(version + 1);`);
    await expect(server.request("bbox/doctor", {})).rejects.toThrow("Update the older one");
  });

  it("tells when the process is lost, and starts another one when it is asked again", async () => {
    const { server, lost } = await start(`introduced(version);
      connection.onRequest("bbox/doctor", () => process.exit(9));
      connection.onRequest("bbox/agents/list", () => ({ agents: [] }));`);
    await expect(server.request("bbox/doctor", {})).rejects.toThrow("ended with code 9");
    expect(await lost).toEqual(["bbox-server ended with code 9.", true]);
    expect(await server.request("bbox/agents/list", {})).toEqual({ agents: [] });
  });

  it("starts nothing any more once it is disposed", async () => {
    const { server } = await start(`introduced(version);`);
    await server.dispose();
    await expect(server.request("bbox/doctor", {})).rejects.toThrow("closing");
  });
});
