// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { homedir } from "node:os";

import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from "vscode-jsonrpc/node";

import type { Notifications, Requests } from "../wire/methods.js";
import { PROTOCOL_VERSION } from "../wire/methods.js";

/** What the server tells unasked. */
export interface ServerListener {
  readonly event: (event: Notifications["bbox/event"]) => void;
  readonly terminalData: (data: Notifications["bbox/terminal/data"]) => void;
  readonly terminalEnded: (ended: Notifications["bbox/terminal/ended"]) => void;
  /** The process is gone, and not because we ended it. Sessions live on in their hosts. */
  readonly lost: () => void;
  /** A line for the log. */
  readonly log: (line: string) => void;
}

const SHUTDOWN_MS = 2000;

/** One bbox-server process: started on first use, again after it was lost. */
export class Server {
  readonly #locate: () => Promise<string>;
  readonly #listener: ServerListener;
  #connection: Promise<MessageConnection> | undefined;
  #child: ChildProcessWithoutNullStreams | undefined;
  #isDisposed = false;

  constructor(locate: () => Promise<string>, listener: ServerListener) {
    this.#locate = locate;
    this.#listener = listener;
  }

  /** Ask; the server is started if there is none. */
  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
  ): Promise<Requests[M]["result"]> {
    this.#connection ??= this.#start();
    const connection = await this.#connection;
    return await connection.sendRequest<Requests[M]["result"]>(method, params);
  }

  /** Say goodbye; the sessions go on. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    const child = this.#child;
    if (child === undefined || this.#connection === undefined) {
      return;
    }
    const timer = setTimeout(() => child.kill(), SHUTDOWN_MS);
    try {
      const connection = await this.#connection;
      await connection.sendRequest("shutdown");
      await connection.sendNotification("exit");
    } catch {
      child.kill();
    } finally {
      clearTimeout(timer);
    }
  }

  async #start(): Promise<MessageConnection> {
    try {
      const program = await this.#locate();
      this.#listener.log(`Starting ${program}`);
      return await this.#connect(program);
    } catch (error) {
      this.#connection = undefined;
      throw error;
    }
  }

  async #connect(program: string): Promise<MessageConnection> {
    // Not in the workspace: nothing in it may have a say in how the server starts.
    const child = spawn(program, ["--stdio"], { cwd: homedir(), stdio: "pipe" });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#listener.log(text.trimEnd());
    });
    const connection = createMessageConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    this.#hear(connection);
    connection.onClose(() => {
      this.#forget(connection);
    });
    // A program that can't be started ends the connection as well.
    const failed = new Promise<never>((_resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => {
        this.#forget(connection);
        reject(new Error(`bbox-server ended with code ${String(code)}. See the output “BBox”.`));
      });
    });
    connection.listen();
    await Promise.race([failed, introduce(connection)]);
    return connection;
  }

  #hear(connection: MessageConnection): void {
    connection.onNotification("bbox/event", this.#listener.event);
    connection.onNotification("bbox/terminal/data", this.#listener.terminalData);
    connection.onNotification("bbox/terminal/ended", this.#listener.terminalEnded);
    connection.onError(([error]) => {
      this.#listener.log(error.message);
    });
  }

  #forget(connection: MessageConnection): void {
    if (this.#child === undefined) {
      return;
    }
    this.#child = undefined;
    this.#connection = undefined;
    connection.dispose();
    if (!this.#isDisposed) {
      this.#listener.log("bbox-server is gone");
      this.#listener.lost();
    }
  }
}

async function introduce(connection: MessageConnection): Promise<void> {
  const answer: unknown = await connection.sendRequest("initialize", {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
    initializationOptions: { bbox: { protocolVersion: PROTOCOL_VERSION } },
  });
  const version = protocolVersionOf(answer);
  if (version !== PROTOCOL_VERSION) {
    connection.end();
    throw new Error(
      `bbox-server speaks version ${String(version)} of the protocol and this extension version ` +
        `${PROTOCOL_VERSION}. Update the older one of them.`,
    );
  }
  await connection.sendNotification("initialized", {});
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
