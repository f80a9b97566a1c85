// Who armed or disarmed the device, as the recorder says it → in the reader's language. Pure.
import { t } from "./words.ts";

/** As the recorder says it before anybody did. */
const NOBODY = "nobody yet";

/** `user ada`, `token door`, `input key`, `schedule`, `nobody yet` → a sentence with the time since when it is so. */
export function since(at: string, by: string): string {
  const w = t.arm;
  if (by === NOBODY) return w.nobody;
  if (by === "schedule") return w.since(at, w.schedule);
  const [, kind, name = by] = /^(user|token|input) (.+)$/.exec(by) ?? [];
  return w.since(at, kind === "input" ? w.input(name) : name);
}
