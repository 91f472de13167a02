// SPDX-License-Identifier: Apache-2.0
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const SRC = "vscode-extension/src";

/** What a room of the extension may not import. */
const room = (name, group, message) => ({
  files: [`${SRC}/${name}/**`],
  rules: { "no-restricted-imports": ["error", { patterns: [{ group, message }] }] },
});

export default defineConfig(
  {
    ignores: [".venv/", ".cache/", "**/dist/", "demo/", "**/*.mjs", `${SRC}/wire/`],
  },
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
      complexity: ["error", { max: 8, variant: "modified" }],
      // A terminal's text is made of control characters.
      "no-control-regex": "off",
      "max-statements": ["error", 30],
      "no-console": "error",
    },
  },
  room(
    "{review,session}",
    ["vscode", "vscode-jsonrpc*", "node:*", "**/server/*", "**/editor/*"],
    "This room is pure.",
  ),
  room(
    "server",
    ["vscode", "**/editor/*", "**/review/*"],
    "The server's room knows neither the editor nor the review.",
  ),
  room("editor", ["vscode-jsonrpc*"], "Only the server's room speaks JSON-RPC."),
);
