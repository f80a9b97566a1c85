// What the update agent says → what a person reads of it. Pure.
import { duration, moment } from "../format.ts";
import type { UpdateEntry, UpdateStatus, UpdateStep } from "../types.ts";
import { seldom } from "./words.ts";

/** What is done with an update. */
export type Doing = Exclude<UpdateStep, "starting" | "idle"> | "undoing";

/** An update goes on. */
export const goesOn = ({ step }: UpdateStatus): boolean => step !== "idle" && step !== "starting";

/** What is done now, in the reader's language; a step this page does not know in the agent's words. */
export function doing(status: UpdateStatus): string {
  const isUndone = status.step === "installing" && !status.can_cancel;
  return (seldom.update.doing as Record<string, string>)[isUndone ? "undoing" : status.step] ?? status.words;
}

/** What a system on trial lacks, each in words. */
export const lacks = ({ step, progress }: UpdateStatus): string[] =>
  step === "trial" ? (progress?.words.split("; ").filter(Boolean) ?? []) : [];

/** The board starts anew, or just did: nobody may answer for a while, and that is no fault. */
export const isLeaving = ({ step }: UpdateStatus): boolean => ["installed", "trial", "going-back"].includes(step);

export const versions = ({ from_version, version }: UpdateEntry): string => `${from_version || "?"} → ${version || "?"}`;

/** When, into which slot, who wanted it, and what it cost in footage. */
export function facts(entry: UpdateEntry, nowMs: number): string {
  const w = seldom.update;
  return [
    moment(entry.at_ms, nowMs),
    entry.clock_sure === false && w.clockUnsure,
    w.forSlot(entry.slot),
    w.origin[entry.origin] ?? entry.origin,
    entry.gap_s !== null && (entry.gap_s > 0 ? w.gap(duration(entry.gap_s * 1000)) : w.noGap),
  ]
    .filter(Boolean)
    .join(" · ");
}
