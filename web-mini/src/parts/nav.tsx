// The five pages: a bar at the bottom of a phone, a column at the side of a desktop.
import { linkTo } from "../route.ts";
import { health, route, session } from "../store.ts";
import { t } from "../words.ts";
import { Icon, type IconName } from "./icon.tsx";

const TABS = ["live", "timeline", "events", "outputs", "health"] as const satisfies readonly IconName[];
/** Under which of them a page is that has no place in the bar. */
const ABOVE: Record<string, (typeof TABS)[number]> = { rules: "outputs", alarms: "outputs", zone: "live", update: "health" };

export function Nav() {
  const at = ABOVE[route.value.page] ?? route.value.page;
  const page = (TABS as readonly string[]).includes(at) ? at : "live";
  const trouble = health.value !== null && !health.value.ok;
  return (
    <nav class="nav" aria-label={t.navigation}>
      <p class="nav-brand">
        <img src="/icon.svg" alt="" width="32" height="32" />
        <span>
          <b>{t.brand}</b>
          <small>{session.value?.device}</small>
        </span>
      </p>
      {TABS.map((tab) => (
        <a key={tab} href={linkTo(tab)} data-testid={`tab-${tab}`} aria-current={tab === page ? "page" : undefined}>
          <span class="nav-icon">
            <Icon name={tab} />
            {tab === "health" && trouble && <i class="dot" title={t.problems(health.value?.problems.length ?? 0)} />}
          </span>
          <span>{t.tabs[tab]}</span>
        </a>
      ))}
    </nav>
  );
}
