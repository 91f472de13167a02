// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import type { CheckMessage, DoctorMessage } from "../wire/messages.js";
import { contextsOf, findingLines } from "./machine.js";

function doctor(...checks: readonly CheckMessage[]): DoctorMessage {
  return { ready: checks.every((check) => check.status !== "failed"), checks };
}

const QEMU: CheckMessage = { name: "qemu", status: "ok", detail: "7.2" };
const VIRTIOFSD: CheckMessage = { name: "virtiofsd", status: "ok", detail: "/usr/bin/virtiofsd" };
const SLOW: CheckMessage = {
  name: "accelerator",
  status: "warning",
  detail: "emulation",
  remediation: "Join the group kvm.",
};

describe("contextsOf", () => {
  it("marks a step as done when all that it needs is fine", () => {
    const found = new Map(contextsOf(doctor(QEMU, VIRTIOFSD, SLOW)));
    expect(found.get("bbox.hasServer")).toBe(true);
    expect(found.get("bbox.isReady")).toBe(true);
    expect(found.get("bbox.hasVirtualMachines")).toBe(true);
    expect(found.get("bbox.hasAccelerator")).toBe(false);
  });

  it("takes what was not looked at for not done", () => {
    expect(new Map(contextsOf(doctor(QEMU))).get("bbox.hasVirtualMachines")).toBe(false);
  });
});

describe("findingLines", () => {
  it("says what to do", () => {
    expect(findingLines(doctor(QEMU, SLOW))).toEqual([
      "accelerator: emulation\nJoin the group kvm.",
    ]);
  });

  it("says that there is nothing to do", () => {
    expect(findingLines(doctor(QEMU))).toEqual(["All 1 checks are fine."]);
  });
});
