// Corners that a thumb draws on a still: moved, added, taken away. Fractions of the picture, origin top left. Pure.
import type { Corner } from "../types.ts";

/** What the recorder takes. */
export const FEWEST = 3;
export const MOST = 16;

/** What one begins with: the lower half, where things walk. */
export const FIRST: readonly Corner[] = [
  [0.1, 0.5],
  [0.9, 0.5],
  [0.9, 0.95],
  [0.1, 0.95],
];

const inside = (n: number): number => Math.min(1, Math.max(0, n));

export function moved(corners: readonly Corner[], n: number, [x, y]: Corner): Corner[] {
  return corners.map((corner, i) => (i === n ? [inside(x), inside(y)] : corner));
}

/** A new corner, in the side that is nearest to it; as they were when there are enough. */
export function added(corners: readonly Corner[], at: Corner): Corner[] {
  if (corners.length >= MOST) return [...corners];
  const far = corners.map((corner, i) => distance(at, corner, corners[(i + 1) % corners.length] ?? corner));
  const side = far.indexOf(Math.min(...far));
  return [...corners.slice(0, side + 1), at, ...corners.slice(side + 1)];
}

export function removed(corners: readonly Corner[], n: number): Corner[] {
  return corners.length <= FEWEST ? [...corners] : corners.filter((_, i) => i !== n);
}

function distance([x, y]: Corner, [ax, ay]: Corner, [bx, by]: Corner): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : inside(((x - ax) * dx + (y - ay) * dy) / length);
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

/** Two sides cross: nobody could say what is inside. */
export function isCrossed(corners: readonly Corner[]): boolean {
  const n = corners.length;
  const turn = ([ax, ay]: Corner, [bx, by]: Corner, [cx, cy]: Corner): number => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  return corners.some((a, i) =>
    corners.some((c, j) => {
      const [b, d] = [corners[(i + 1) % n], corners[(j + 1) % n]];
      if (!b || !d || j <= i + 1 || (j + 1) % n === i) return false; // the same side, or neighbours
      return turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
    }),
  );
}
