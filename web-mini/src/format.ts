// Numbers and times → what a person reads. Local time, 24 hours.
import { locale } from "./language.ts";

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockSeconds = new Intl.DateTimeFormat(locale, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });

export const hm = (ms: number): string => clock.format(ms);
export const hms = (ms: number): string => clockSeconds.format(ms);
export const shortDay = (ms: number): string => day.format(ms);
export const fullDay = (ms: number): string => longDay.format(ms);

/** Clock alone for today, with the day otherwise. */
export function moment(ms: number, nowMs: number): string {
  const same = new Date(ms).toDateString() === new Date(nowMs).toDateString();
  return same ? hms(ms) : `${shortDay(ms)}, ${hms(ms)}`;
}

/** `1.4 GiB`; three digits at most. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${number(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** Bits a second. */
export function bitrate(bits: number): string {
  return bits >= 1e6 ? `${number(bits / 1e6, 1)} Mbit/s` : `${number(bits / 1e3, 0)} kbit/s`;
}

/** Digits grouped as the reader's language does; `digits` behind the point. */
export function number(value: number, digits = 0): string {
  return value.toLocaleString(locale, { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

export const percent = (fraction: number): string => `${Math.round(fraction * 100)} %`;

/** `3 d 4 h`, `12 min`, `40 s`, `0.5 s`: two units at most. */
export function duration(ms: number): string {
  const s = ms / 1000;
  if (s < 10) return `${number(s, 1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", Math.round(s % 60), "s");
  if (s < 86_400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

/** A zoom level: `24 h`, `1.5 h`. */
export const hours = (ms: number): string => `${number(ms / 3_600_000, ms < 10 * 3_600_000 ? 1 : 0)} h`;

function two(a: number, unitA: string, b: number, unitB: string): string {
  return b > 0 && b < 60 ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`;
}
