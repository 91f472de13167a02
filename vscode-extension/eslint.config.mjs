// SPDX-License-Identifier: Apache-2.0
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** What a room may not import, by the room's place (the house: style of the TypeScript part). */
const room = (files, group, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [{ group, message }] }] },
});

export default defineConfig(
  { ignores: ["dist/", "*.mjs", "src/wire/"] },
  {
    files: ["**/*.ts"],
    extends: [
      js.configs.recommended,
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked,
    ],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/no-floating-promises": ["error", { ignoreVoid: false }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      complexity: ["error", 8],
      "no-console": "error",
    },
  },
  room(
    ["src/review/**", "src/session/**"],
    ["vscode", "vscode-jsonrpc*", "node:*", "**/server/*", "**/editor/*"],
    "This room is pure.",
  ),
  room(
    ["src/server/**"],
    ["vscode", "**/editor/*", "**/review/*"],
    "The server's room knows neither the editor nor the review.",
  ),
  room(["src/editor/**"], ["vscode-jsonrpc*"], "Only the server's room speaks JSON-RPC."),
);
