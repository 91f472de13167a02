// SPDX-License-Identifier: Apache-2.0

/** Of these absolute paths the ones below a folder, as paths from there. */
export function pathsBelow(root: string, paths: readonly string[]): readonly string[] {
  const begin = root.endsWith("/") ? root : `${root}/`;
  return paths.filter((path) => path.startsWith(begin)).map((path) => path.slice(begin.length));
}
