// SPDX-License-Identifier: Apache-2.0
import type { DoctorMessage } from "../wire/messages.js";

/** What a walkthrough's steps look at: context keys, each with the findings that it stands for. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  "bbox.hasVirtualMachines": ["qemu", "virtiofsd"],
  "bbox.hasAccelerator": ["accelerator"],
  "bbox.hasSpace": ["disk", "memory"],
  "bbox.hasImages": ["images"],
};

/** The context keys after a look at the machine; a warning runs, but is not done. */
export function contextsOf(doctor: DoctorMessage): readonly (readonly [string, boolean])[] {
  const status = new Map(doctor.checks.map((check) => [check.name, check.status]));
  const steps = Object.entries(STEPS).map(
    ([key, names]) => [key, names.every((name) => status.get(name) === "ok")] as const,
  );
  return [["bbox.hasServer", true], ["bbox.isReady", doctor.ready], ...steps];
}

/** What is found that is not as it should be, with its remedy; or that there is nothing. */
export function findingLines(doctor: DoctorMessage): readonly string[] {
  const found = doctor.checks
    .filter((check) => check.status !== "ok")
    .map(({ name, detail, remediation }) =>
      [`${name}: ${detail}`, ...(remediation === undefined ? [] : [remediation])].join("\n"),
    );
  return found.length === 0 ? [`All ${doctor.checks.length} checks are fine.`] : found;
}
