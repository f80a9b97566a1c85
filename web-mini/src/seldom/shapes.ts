// What counts in a camera's picture, as the recorder keeps it ↔ the shapes that a thumb draws on a still. Pure.
import type { Corner, Sight, SightLine, SightMask, SightZone } from "../types.ts";
import { FIRST } from "./polygon.ts";

export type Kind = "zone" | "line" | "mask";

/** One shape, with all that was said of it and is not drawn. */
export type Shape = ({ kind: "zone" } & SightZone) | ({ kind: "line" } & SightLine) | ({ kind: "mask" } & SightMask);

/** What one begins with. */
const BEGIN: Record<Kind, readonly Corner[]> = {
  zone: FIRST,
  line: [
    [0.2, 0.6],
    [0.8, 0.6],
  ],
  mask: [
    [0.05, 0.05],
    [0.45, 0.05],
    [0.45, 0.3],
    [0.05, 0.3],
  ],
};

export function shapesOf(sight: Sight): Shape[] {
  return [
    ...sight.zone.map((zone): Shape => ({ kind: "zone", ...zone })),
    ...sight.line.map((line): Shape => ({ kind: "line", ...line })),
    ...sight.mask.map((mask): Shape => ({ kind: "mask", ...mask })),
  ];
}

/** The same sight with these shapes: classes and limits stay as they are. */
export function withShapes(sight: Sight, shapes: readonly Shape[]): Sight {
  const next: Sight = { ...sight, zone: [], line: [], mask: [] };
  for (const { kind, ...shape } of shapes) {
    const points = shape.points.map(([x, y]): Corner => [round(x), round(y)]);
    (next[kind] as unknown[]).push({ ...shape, points });
  }
  return next;
}

/** A thousandth of the picture is less than a thumb can mean. */
const round = (n: number): number => Math.round(n * 1000) / 1000;

/** A new one, with a name that no other has. */
export function begun(kind: Kind, shapes: readonly Shape[]): Shape {
  const points = BEGIN[kind];
  if (kind === "mask") return { kind, points };
  const taken = new Set(shapes.map(nameOf));
  let id: string = kind;
  for (let n = 2; taken.has(id); n += 1) id = `${kind}-${n}`;
  return kind === "line" ? { kind, id, points } : { kind, id, points, classes: [], filter: {} };
}

/** Null: masks have none. */
export const nameOf = (shape: Shape): string | null => (shape.kind === "mask" ? null : shape.id);

/** An id that the recorder takes. */
export const asId = (text: string): string => text.toLowerCase().replace(/[^a-z0-9_-]/g, "-");

/**
 * An arrow from the middle of a line, as the points of one stroke: what crosses it that way is "in" for rules. It points to the right
 * of who looks from the line's first end to its second.
 */
export function wayIn([a, b]: readonly Corner[]): Corner[] {
  if (!a || !b) return [];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (length === 0) return [];
  const [along, across] = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
  const at = (ahead: number, aside: number): Corner => [
    (a[0] + b[0]) / 2 - across * ahead + along * aside,
    (a[1] + b[1]) / 2 + along * ahead + across * aside,
  ];
  const tip = at(0.12, 0);
  return [at(0, 0), tip, at(0.07, -0.03), tip, at(0.07, 0.03)];
}

/** From this score on things of a class count; a limit that is higher already stays. */
export function withLimit(sight: Sight, label: string, limit: number): Sight {
  const old = sight.filter[label];
  return { ...sight, filter: { ...sight.filter, [label]: { ...old, min_score: Math.max(old?.min_score ?? 0, limit) } } };
}
