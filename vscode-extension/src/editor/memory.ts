// SPDX-License-Identifier: Apache-2.0
import type * as vscode from "vscode";

import { rememberedChoice, type RunChoice } from "../session/run_choice.js";

const SESSIONS = "bbox.sessions";
const CHOICE = "bbox.choice";

/** What this window's folder remembers over reloads. */
export class Memory {
  readonly #memento: vscode.Memento;

  constructor(memento: vscode.Memento) {
    this.#memento = memento;
  }

  /** The sessions that were shown, the first one first. */
  get sessions(): readonly string[] {
    const kept = this.#memento.get<unknown>(SESSIONS);
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
  }

  /** What was run last. */
  get choice(): RunChoice | undefined {
    return rememberedChoice(this.#memento.get<unknown>(CHOICE));
  }

  async keepSessions(ids: readonly string[]): Promise<void> {
    await this.#memento.update(SESSIONS, ids);
  }

  async keepChoice(choice: RunChoice): Promise<void> {
    await this.#memento.update(CHOICE, choice);
  }
}
