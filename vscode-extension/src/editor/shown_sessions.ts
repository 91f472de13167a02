// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Session } from "./session.js";
import type { GroupName } from "../review/change_list.js";
import type { ReviewControl } from "./source_control.js";
import { sessionIdOf, shownUri } from "./targets.js";

interface Shown {
  readonly session: Session;
  readonly control: ReviewControl;
}

/** The sessions of this window; one of them is the one that commands are about. */
export class ShownSessions implements vscode.Disposable {
  readonly #shown = new Map<string, Shown>();
  #active: string | undefined;

  get all(): readonly Session[] {
    return [...this.#shown.values()].map(({ session }) => session);
  }

  /** The one that was begun, attached or used last. */
  get active(): Session | undefined {
    return this.#active === undefined ? undefined : this.get(this.#active);
  }

  get(id: string): Session | undefined {
    return this.#shown.get(id)?.session;
  }

  add(session: Session, control: ReviewControl): void {
    this.remove(session.view.id);
    this.#shown.set(session.view.id, { session, control });
    this.#active = session.view.id;
  }

  activate(id: string): void {
    this.#active = id;
  }

  remove(id: string): void {
    const shown = this.#shown.get(id);
    this.#shown.delete(id);
    shown?.session.dispose();
    shown?.control.dispose();
    if (this.#active === id) {
      this.#active = [...this.#shown.keys()].at(-1);
    }
  }

  /**
   * The session that a command is about: the one that its argument belongs to, else the one whose
   * diff has the focus, else the active one.
   */
  about(argument: unknown): Session | undefined {
    const owner = [...this.#shown.values()].find(({ control }) => control.owns(argument));
    const shown = shownUri(undefined);
    const id = owner?.session.view.id ?? sessionIdOf(argument) ?? (shown && sessionIdOf(shown));
    const found = id === undefined ? this.active : this.get(id);
    this.#active = found?.view.id ?? this.#active;
    return found;
  }

  /** The group of Source Control that a command's argument is, if it is one. */
  groupOf(argument: unknown): GroupName | undefined {
    for (const { control } of this.#shown.values()) {
      const group = control.groupOf(argument);
      if (group !== undefined) {
        return group;
      }
    }
    return undefined;
  }

  dispose(): void {
    for (const id of this.#shown.keys()) {
      this.remove(id);
    }
  }
}
