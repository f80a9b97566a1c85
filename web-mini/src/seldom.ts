// What an owner opens seldom: one chunk with words and style of its own, which a phone fetches when the first of it is opened. A new
// page is one more row in `pages`; its name is that in the address.
import type { ComponentType } from "preact";
import { Alarms } from "./seldom/alarms.tsx";
import { Health } from "./seldom/health.tsx";
import { Rules } from "./seldom/rules.tsx";
import { Update } from "./seldom/update.tsx";
import { ZonePage } from "./seldom/zone.tsx";
import "./style/seldom.css";

export const pages: Record<string, ComponentType<{ id: string | null }>> = {
  alarms: Alarms,
  health: Health,
  rules: Rules,
  update: Update,
  zone: ZonePage,
};

export { HoldList } from "./seldom/hold-list.tsx";
export { KeepSheet } from "./seldom/keep-sheet.tsx";
export { Limit } from "./seldom/limit.tsx";
export { Login } from "./seldom/login.tsx";
export { Setup } from "./seldom/setup.tsx";
