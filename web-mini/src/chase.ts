// Distance to the newest picture → jump, hurry or keep the pace. Pure: the live player asks four times a second.

/** Reserve against an irregular network, seconds. */
const RESERVE_S = 0.2;
/** Farther behind than this is never wanted when fragments are short, seconds. */
const FAR_S = 1.5;

export interface Pace {
  /** Play from this many seconds before the buffered end; null = no jump. */
  jumpTo: number | null;
  /** Playback rate. */
  rate: number;
}

/**
 * `ahead`: seconds from the playing position to the buffered end. `step`: seconds of video that arrive at once.
 * Right after an arrival `step` seconds are in hand by nature, so the goal grows with it: below that the picture would stop.
 */
export function chase(ahead: number, step: number): Pace {
  const goal = step + RESERVE_S;
  const far = Math.max(FAR_S, goal + 0.6);
  if (ahead > far) return { jumpTo: Math.min(ahead, goal), rate: 1 };
  return { jumpTo: null, rate: ahead > goal + 0.15 ? 1.06 : 1 };
}

/** Wait before the n-th try (0, 1, …), in ms: doubles up to 30 s, spread by `random` (0..1) so that viewers do not come at once. */
export function backOff(tries: number, random: number): number {
  const full = Math.min(30_000, 500 * 2 ** Math.min(tries, 10));
  return Math.round(full * (0.75 + 0.5 * random));
}
