// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { TerminalPosition } from "../session/terminal_position.js";
import type { TerminalData, TerminalSizeMessage } from "../wire/messages.js";

/** What a terminal asks of the session that it shows. */
export interface TerminalOwner {
  readonly type: (data: string) => void;
  readonly resize: (size: TerminalSizeMessage) => void;
  readonly acknowledge: (byte: number) => void;
  readonly closed: () => void;
}

const DEFAULT_SIZE: TerminalSizeMessage = { cols: 80, rows: 24 };
const SIZE_WAIT_MS = 1000;
const ACK_AFTER_MS = 16;

/** Something that happens once. */
class Signal {
  give: () => void = () => undefined;
  readonly given = new Promise<void>((resolve) => {
    this.give = resolve;
  });
}

/** The guest's terminal in a panel. Bytes are shown once each, in order. */
export class AgentTerminal implements vscode.Pseudoterminal, vscode.Disposable {
  readonly #written = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.#written.event;
  readonly #terminal: vscode.Terminal;
  readonly #decoder = new TextDecoder();
  readonly #position = new TerminalPosition(0);
  readonly #opened = new Signal();
  readonly #sized = new Signal();
  #owner: TerminalOwner | undefined;
  #size: TerminalSizeMessage | undefined;
  #ackTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(name: string) {
    this.#terminal = vscode.window.createTerminal({
      name,
      pty: this,
      iconPath: new vscode.ThemeIcon("vm"),
      isTransient: true,
    });
  }

  /** From now on the panel has a session to show. */
  connect(owner: TerminalOwner): void {
    this.#owner = owner;
  }

  /** The next byte to ask for, after the server was lost. */
  get nextByte(): number {
    return this.#position.shown;
  }

  /** Whether the user has closed the panel. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The panel's size, once it is on the screen. */
  async size(): Promise<TerminalSizeMessage> {
    await this.#opened.given;
    const late = new Promise<undefined>((resolve) =>
      setTimeout(() => {
        resolve(undefined);
      }, SIZE_WAIT_MS),
    );
    await Promise.race([this.#sized.given, late]);
    return this.#size ?? DEFAULT_SIZE;
  }

  show(): void {
    this.#terminal.show();
  }

  /** A line of ours, told apart from the guest's by its look. */
  say(line: string): void {
    // No control characters: the words may come from outside.
    const plain = line.replaceAll(/\p{Cc}+/gu, " ");
    this.#written.fire(`\x1b[2m▸ ${plain}\x1b[0m\r\n`);
  }

  /** Output of the guest. */
  write(data: TerminalData): void {
    const bytes = Buffer.from(data.data, "base64");
    const { repeated, missing } = this.#position.take(data.fromByte, bytes.length);
    if (missing > 0) {
      this.say(`${missing} bytes of older output are not kept`);
    }
    this.#written.fire(this.#decoder.decode(bytes.subarray(repeated), { stream: true }));
    if (this.#position.isAckDue) {
      this.#acknowledge();
    } else {
      this.#ackTimer ??= setTimeout(() => {
        this.#acknowledge();
      }, ACK_AFTER_MS);
    }
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    if (dimensions !== undefined) {
      this.setDimensions(dimensions);
    }
    this.#opened.give();
  }

  setDimensions(dimensions: vscode.TerminalDimensions): void {
    this.#size = { cols: dimensions.columns, rows: dimensions.rows };
    this.#sized.give();
    this.#owner?.resize(this.#size);
  }

  handleInput(data: string): void {
    this.#owner?.type(Buffer.from(data, "utf8").toString("base64"));
  }

  close(): void {
    this.#isClosed = true;
    this.#opened.give();
    this.#sized.give();
    clearTimeout(this.#ackTimer);
    this.#owner?.closed();
  }

  dispose(): void {
    clearTimeout(this.#ackTimer);
    this.#terminal.dispose();
    this.#written.dispose();
  }

  #acknowledge(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const byte = this.#position.acknowledge();
    if (byte !== undefined) {
      this.#owner?.acknowledge(byte);
    }
  }
}
