// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Side } from "../wire/messages.js";

export const SCHEME = "bbox";
/** Texts that are edited to be the result of a change. */
export const DRAFT_SCHEME = "bbox-edit";

/** What a bbox: URI names. The path is the workspace's own, so the language is right. */
export interface SidePath {
  readonly session: string;
  readonly side: Side;
  readonly path: string;
}

/** bbox://SESSION/SIDE/path */
export function sideUri(place: SidePath): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEME,
    authority: place.session,
    path: `/${place.side}/${place.path}`,
  });
}

/** bbox-edit://SESSION/path */
export function draftUri(session: string, path: string): vscode.Uri {
  return vscode.Uri.from({ scheme: DRAFT_SCHEME, authority: session, path: `/${path}` });
}

/** Whose change a URI of ours is about: a side of it, or a text that is edited. */
export function changePath(uri: vscode.Uri): Pick<SidePath, "session" | "path"> | undefined {
  return uri.scheme === DRAFT_SCHEME
    ? { session: uri.authority, path: uri.path.slice(1) }
    : sidePath(uri);
}

/** The parts of a bbox: URI; undefined for any other. */
export function sidePath(uri: vscode.Uri): SidePath | undefined {
  const [, side, path] = /^\/([a-z]+)\/(.+)$/s.exec(uri.path) ?? [];
  if (uri.scheme !== SCHEME || !isSide(side) || path === undefined) {
    return undefined;
  }
  return { session: uri.authority, side, path };
}

function isSide(value: string | undefined): value is Side {
  return value === "baseline" || value === "agent" || value === "result" || value === "workspace";
}
