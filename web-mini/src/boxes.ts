// Detections by arrival → the boxes that belong to a shown picture. Pure; bounded in time and number.
import type { Detections } from "./types.ts";

/** How long detections are kept: longer than any live delay. */
const KEEP_MS = 12_000;
const KEEP_COUNT = 400;
/** A picture may be this much older than the detections that describe it. */
const AHEAD_MS = 80;
/** Boxes older than this are not shown any more. */
const HOLD_MS = 1_000;

export class BoxBuffer {
  private readonly kept: Detections[] = [];

  /** Takes detections in about the order of their time. */
  push(seen: Detections): void {
    let at = this.kept.length;
    while (at > 0 && (this.kept[at - 1]?.at_ms ?? 0) > seen.at_ms) at -= 1;
    this.kept.splice(at, 0, seen);
    const newest = this.kept[this.kept.length - 1]?.at_ms ?? 0;
    let drop = Math.max(0, this.kept.length - KEEP_COUNT);
    while ((this.kept[drop]?.at_ms ?? Infinity) < newest - KEEP_MS) drop += 1;
    this.kept.splice(0, drop);
  }

  /** What was seen at that wall time; null when nothing fresh enough is known. */
  at(wallMs: number): Detections | null {
    let low = 0;
    let high = this.kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.kept[middle]?.at_ms ?? 0) <= wallMs + AHEAD_MS) low = middle + 1;
      else high = middle;
    }
    const found = this.kept[low - 1];
    return found && wallMs - found.at_ms <= HOLD_MS ? found : null;
  }

  /** The newest, for pictures whose time is not known exactly. */
  newest(): Detections | null {
    return this.kept[this.kept.length - 1] ?? null;
  }

  get size(): number {
    return this.kept.length;
  }
}
