// Lists of events → one list, newest first, each event once. Pure.
import type { EventView } from "./types.ts";

/** Puts a page or a piece of news into the list: each id once, newest first. */
export function mergeEvents(old: readonly EventView[], add: readonly EventView[]): EventView[] {
  const all = new Map(old.map((e) => [e.id, e]));
  for (const event of add) all.set(event.id, event);
  return [...all.values()].sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0));
}

/** Events in runs of the same local day, in the order they come. */
export function byDay(events: readonly EventView[]): { day: number; events: EventView[] }[] {
  const days: { day: number; events: EventView[] }[] = [];
  for (const event of events) {
    const day = new Date(event.start_ms).setHours(0, 0, 0, 0);
    const last = days[days.length - 1];
    if (last?.day === day) last.events.push(event);
    else days.push({ day, events: [event] });
  }
  return days;
}
