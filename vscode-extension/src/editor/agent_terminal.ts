// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { cutSequence, hasBell, QUESTION, takeAnswers } from "../session/drawn_question.js";
import type { Line } from "../session/session_view.js";
import { TerminalPosition } from "../session/terminal_position.js";
import type { TerminalData, TerminalSizeMessage } from "../wire/messages.js";

/** What a terminal asks of the session that it shows. */
export interface TerminalOwner {
  readonly type: (data: string) => void;
  readonly resize: (size: TerminalSizeMessage) => void;
  readonly acknowledge: (byte: number) => void;
  readonly closed: () => void;
  /** The agent rings the bell. */
  readonly ring: () => void;
}

const DEFAULT_SIZE: TerminalSizeMessage = { cols: 80, rows: 24 };
/** Faint; yellow. */
const STYLES: Readonly<Record<Line["tone"], string>> = { plain: "\x1b[2m", warning: "\x1b[33m" };
const SIZE_WAIT_MS = 1000;

/** Something that happens once. */
class Signal {
  give: () => void = () => undefined;
  readonly given = new Promise<void>((resolve) => {
    this.give = resolve;
  });
}

/**
 * The guest's terminal in a panel. Bytes are written once each, in order, and acknowledged when
 * they are drawn: the editor itself holds no extension's terminal back.
 */
export class AgentTerminal implements vscode.Pseudoterminal, vscode.Disposable {
  readonly #written = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.#written.event;
  readonly #terminal: vscode.Terminal;
  readonly #decoder = new TextDecoder();
  readonly #position = new TerminalPosition();
  readonly #opened = new Signal();
  readonly #sized = new Signal();
  #owner: TerminalOwner | undefined;
  #size: TerminalSizeMessage | undefined;
  /** Written before the panel was there: the editor would drop it. */
  #early: string[] | undefined = [];
  #incomplete = "";
  #isInLine = false;
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
    return this.#position.next;
  }

  /** Whether the user has closed the panel. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the user looks at it, as far as the editor tells. */
  get isSeen(): boolean {
    return vscode.window.state.focused && vscode.window.activeTerminal === this.#terminal;
  }

  /** The panel's size, once it is on the screen. */
  async size(): Promise<TerminalSizeMessage> {
    await this.#opened.given;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SIZE_WAIT_MS);
    });
    await Promise.race([this.#sized.given, late]);
    clearTimeout(timer);
    return this.#size ?? DEFAULT_SIZE;
  }

  show(focus: "take" | "leave"): void {
    this.#terminal.show(focus === "leave");
  }

  /** A line of ours, told apart from the guest's by its look. */
  say(line: Line): void {
    // No control characters: the words may come from outside.
    const plain = line.text.replaceAll(/\p{Cc}+/gu, " ");
    const begin = this.#isInLine ? "\r\n" : "";
    this.#write(`${begin}${STYLES[line.tone]}▸ ${plain}\x1b[0m\r\n`);
  }

  /** Output of the guest. */
  write(data: TerminalData): void {
    const bytes = Buffer.from(data.data, "base64");
    const { repeated, missing } = this.#position.take(data.fromByte, bytes.length);
    if (missing > 0) {
      this.say({ text: `${missing} bytes of older output are not kept`, tone: "warning" });
    }
    const text = this.#decoder.decode(bytes.subarray(repeated), { stream: true });
    const [whole, rest] = cutSequence(this.#incomplete + text);
    this.#incomplete = rest;
    this.#write(this.#position.ask() ? whole + QUESTION : whole);
    if (hasBell(whole)) {
      this.#owner?.ring();
    }
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    if (dimensions !== undefined) {
      this.setDimensions(dimensions);
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const text of early) {
      this.#written.fire(text);
    }
    this.#opened.give();
  }

  setDimensions(dimensions: vscode.TerminalDimensions): void {
    this.#size = { cols: dimensions.columns, rows: dimensions.rows };
    this.#sized.give();
    this.#owner?.resize(this.#size);
  }

  handleInput(data: string): void {
    const { typed, isAnswer } = takeAnswers(data);
    const drawn = isAnswer ? this.#position.answered() : undefined;
    if (drawn !== undefined) {
      this.#owner?.acknowledge(drawn);
      // More may have come meanwhile, and nothing more comes before it is acknowledged.
      this.#write(this.#position.ask() ? QUESTION : "");
    }
    if (typed !== "") {
      this.#owner?.type(Buffer.from(typed, "utf8").toString("base64"));
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#opened.give();
    this.#sized.give();
    this.#owner?.closed();
  }

  dispose(): void {
    this.#terminal.dispose();
    this.#written.dispose();
  }

  #write(text: string): void {
    if (text === "") {
      return;
    }
    if (text !== QUESTION) {
      // Colours may be set back after the line's end.
      this.#isInLine = !/\n(?:\x1b\[[0-9;]*m)*$/.test(text.replace(QUESTION, ""));
    }
    if (this.#early === undefined) {
      this.#written.fire(text);
    } else {
      this.#early.push(text);
    }
  }
}
