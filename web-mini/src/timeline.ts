// Spans, gaps and events on a day → what the strip draws and what a tap means. Pure geometry, no clock.
import type { EventView, GapView, Hold, Span } from "./types.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** The closest zoom. */
export const MIN_SPAN = HOUR;
/** One request for footage covers at most this. */
export const WINDOW = 10 * MINUTE;

/** A half-open stretch of time in ms. */
export interface Range {
  from: number;
  to: number;
}

/** Local midnight to the next: 23 or 25 hours when the clocks change. */
export function dayOf(ms: number): Range {
  const day = new Date(ms);
  // By the calendar, not by adding: where the clocks change at midnight a day begins at one o'clock.
  const midnight = (later: number): number => new Date(day.getFullYear(), day.getMonth(), day.getDate() + later).getTime();
  return { from: midnight(0), to: midnight(1) };
}

/** `2026-11-21` in local time, as a date input wants it. */
export function dayName(ms: number): string {
  const day = new Date(ms);
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The other way round; null when it is no date. */
export function dayFromName(name: string): Range | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(name);
  if (!match) return null;
  const ms = new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3])).getTime();
  return Number.isFinite(ms) ? dayOf(ms) : null;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** `2026-11-21T10:00:05` in local time, as a time input wants it. */
export function inputTime(ms: number): string {
  const at = new Date(ms);
  return `${dayName(ms)}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The other way round. An hour that comes twice is meant as the one nearer to `was`; null when it is no time. */
export function timeFromInput(text: string, was: number): number | null {
  const full = text.length === 16 ? `${text}:00` : text;
  const at = new Date(full).getTime();
  if (!Number.isFinite(at)) return null;
  const same = [was, at, at - HOUR, at + HOUR].filter((ms) => inputTime(ms) === full);
  return same.sort((a, b) => Math.abs(a - was) - Math.abs(b - was))[0] ?? at;
}

/** What of a camera's day is held. */
export function heldIn(holds: readonly Hold[], camera: string, day: Range): Range[] {
  return holds
    .filter((h) => (h.cameras.length === 0 || h.cameras.includes(camera)) && h.from_ms < day.to && h.to_ms > day.from)
    .map((h) => ({ from: h.from_ms, to: h.to_ms }));
}

/** Pixels from the left edge of a strip `width` pixels wide. */
export function xOf(view: Range, width: number, ms: number): number {
  return ((ms - view.from) / (view.to - view.from)) * width;
}

/** The moment at a pixel. */
export function msAt(view: Range, width: number, x: number): number {
  return Math.round(view.from + (x / Math.max(1, width)) * (view.to - view.from));
}

/** Keeps a view inside its bounds without changing its length, unless it is longer than they are. */
export function fit(view: Range, bounds: Range): Range {
  const span = Math.min(view.to - view.from, bounds.to - bounds.from);
  const from = Math.min(Math.max(view.from, bounds.from), bounds.to - span);
  return { from: Math.round(from), to: Math.round(from + span) };
}

/** `factor` < 1 comes closer; the moment `anchor` stays where it is. */
export function zoom(view: Range, bounds: Range, factor: number, anchor: number): Range {
  const old = view.to - view.from;
  const span = Math.min(Math.max(old * factor, MIN_SPAN), bounds.to - bounds.from);
  const from = anchor - ((anchor - view.from) / old) * span;
  return fit({ from, to: from + span }, bounds);
}

export function pan(view: Range, bounds: Range, byMs: number): Range {
  return fit({ from: view.from + byMs, to: view.to + byMs }, bounds);
}

/** Moves the view just so far that a moment is inside, with a margin of a tenth. */
export function reveal(view: Range, bounds: Range, ms: number): Range {
  const margin = (view.to - view.from) / 10;
  if (ms < view.from) return pan(view, bounds, ms - margin - view.from);
  if (ms > view.to - margin / 2) return pan(view, bounds, ms + 2 * margin - view.to);
  return view;
}

/** Joins spans that are less than `within` ms apart, so that a day of small slabs is few rectangles. */
export function mergeSpans(spans: readonly Span[], within: number): Span[] {
  const out: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from_ms - b.from_ms)) {
    const last = out[out.length - 1];
    if (last && span.from_ms - last.to_ms <= within) last.to_ms = Math.max(last.to_ms, span.to_ms);
    else out.push({ ...span });
  }
  return out;
}

export function spanAt(spans: readonly Span[], ms: number): Span | null {
  return spans.find((s) => s.from_ms <= ms && ms < s.to_ms) ?? null;
}

export function gapAt(gaps: readonly GapView[], ms: number): GapView | null {
  return gaps.find((g) => g.from_ms <= ms && (g.to_ms === null || ms < g.to_ms)) ?? null;
}

/** The first span that ends after a moment. */
export function nextSpan(spans: readonly Span[], ms: number): Span | null {
  let best: Span | null = null;
  for (const span of spans) if (span.to_ms > ms && (!best || span.from_ms < best.from_ms)) best = span;
  return best;
}

/** What to play when a moment is asked for. */
export interface Landing {
  /** Where play begins: the moment itself, or the next footage after it. */
  at: number;
  /** The stretch to load; it never crosses a gap, so media time and wall time run alike. */
  window: Range;
  /** The moment itself has no footage. */
  jumped: boolean;
}

/** Null when there is no footage at or after the moment. */
export function landing(spans: readonly Span[], ms: number, length: number = WINDOW): Landing | null {
  const span = spanAt(spans, ms) ?? nextSpan(spans, ms);
  if (!span) return null;
  const at = Math.max(ms, span.from_ms);
  return { at, window: { from: at, to: Math.min(at + length, span.to_ms) }, jumped: at !== ms };
}

/** Events that are nearer to each other than `px` pixels, as one mark. */
export interface Mark {
  x: number;
  from: number;
  count: number;
  /** Most frequent class. */
  label: string;
}

export function clusterMarks(events: readonly EventView[], view: Range, width: number, px: number): Mark[] {
  const marks: (Mark & { labels: Map<string, number> })[] = [];
  const sorted = [...events].sort((a, b) => a.start_ms - b.start_ms);
  for (const event of sorted) {
    const x = xOf(view, width, event.start_ms);
    if (x < -px || x > width + px) continue;
    let mark = marks[marks.length - 1];
    if (!mark || x - mark.x >= px) {
      mark = { x, from: event.start_ms, count: 0, label: event.label, labels: new Map() };
      marks.push(mark);
    }
    mark.count += 1;
    const count = (mark.labels.get(event.label) ?? 0) + 1;
    mark.labels.set(event.label, count);
    if (count > (mark.labels.get(mark.label) ?? 0)) mark.label = event.label;
  }
  return marks.map(({ x, from, count, label }) => ({ x, from, count, label }));
}

export interface Tick {
  ms: number;
  /** A tick with a label. */
  major: boolean;
}

const STEPS_MIN = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720];

/** Local-time ticks; labels are at least `gap` pixels apart. */
export function ticks(view: Range, width: number, gap: number): Tick[] {
  const perMinute = (width * MINUTE) / (view.to - view.from);
  const major = STEPS_MIN.find((m) => m * perMinute >= gap) ?? 720;
  const minor = STEPS_MIN.find((m) => m * perMinute >= gap / 4 && major % m === 0) ?? major;
  const out: Tick[] = [];
  const start = dayOf(view.from).from;
  // In real time, by the steps by which clocks change, and named by the local clock: right on days of 23 and 25 hours.
  const step = Math.min(minor, 30) * MINUTE;
  let labelled = -1;
  for (let ms = start + Math.ceil((view.from - start) / step) * step; ms <= view.to; ms += step) {
    const at = new Date(ms);
    const ofDay = at.getHours() * 60 + at.getMinutes();
    if (ofDay % minor !== 0) continue;
    // The hour that comes twice is labelled twice only where every hour is.
    const named = ofDay % major === 0 && (major <= 60 || ofDay !== labelled);
    if (named) labelled = ofDay;
    out.push({ ms, major: named });
  }
  return out;
}

/** How far one arrow key goes at a zoom: about a hundredth of the view, rounded to what people say. */
export function keyStep(view: Range): number {
  const goal = (view.to - view.from) / 96;
  return [10_000, 30_000, MINUTE, 5 * MINUTE, 15 * MINUTE].find((s) => s >= goal) ?? 15 * MINUTE;
}
