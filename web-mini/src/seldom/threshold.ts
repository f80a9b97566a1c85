// A false alarm and the other events of its kind → the score from which on a thing counts, and what that would cost.

export interface Proposal {
  /** 0 to 1, in whole percent. */
  limit: number;
  /** So many of the others would not have come either. */
  lost: number;
}

/** Just above the false alarm's score. Null when nothing is surer than it: no limit can tell it from the real ones. */
export function propose(score: number, others: readonly number[]): Proposal | null {
  const percent = Math.floor(score * 100 + 1e-6) + 1;
  if (percent > 99) return null;
  const limit = percent / 100;
  return { limit, lost: others.filter((other) => other < limit).length };
}
