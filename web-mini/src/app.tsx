// The store's gate and route → the page that is shown, in its frame.
import { useEffect, useRef } from "preact/hooks";
import { Nav } from "./parts/nav.tsx";
import { Notices, OfflineBanner } from "./parts/notices.tsx";
import { Door } from "./pages/door.tsx";
import { EventOne } from "./pages/event-one.tsx";
import { Events } from "./pages/events.tsx";
import { Health } from "./pages/health.tsx";
import { LiveOne } from "./pages/live-one.tsx";
import { Live } from "./pages/live.tsx";
import { Login } from "./pages/login.tsx";
import { Outputs } from "./pages/outputs.tsx";
import { Rules } from "./pages/rules.tsx";
import { Setup } from "./pages/setup.tsx";
import { Timeline } from "./pages/timeline.tsx";
import { ZonePage } from "./pages/zone.tsx";
import { gate, knock, route, session } from "./store.ts";
import { t } from "./words.ts";

export function App() {
  switch (gate.value) {
    case "asking":
      return <div class="splash" aria-busy="true" />;
    case "unreachable":
      return (
        <Door title={t.unreachable} lead={t.unreachableMend}>
          <button type="button" class="button primary wide" onClick={() => void knock()}>
            {t.retry}
          </button>
        </Door>
      );
    case "setup":
      return <Setup />;
    case "login":
      return <Login />;
    case "in":
      return <Inside />;
  }
}

function Inside() {
  const { page, id, query } = route.value;
  const main = useRef<HTMLElement>(null);
  const key = `${page}/${id ?? ""}`;
  useEffect(() => {
    window.scrollTo(0, 0);
    document.title = `${(t.tabs as Record<string, string>)[page] ?? t.tabs.live} · ${session.value?.device || t.brand}`;
  }, [key]);
  return (
    <div class="shell">
      <a
        class="skip"
        href={location.hash || "#/live"}
        onClick={(e) => {
          e.preventDefault();
          main.current?.focus();
        }}
      >
        {t.skip}
      </a>
      <Nav />
      <OfflineBanner />
      <main ref={main} id="main" tabIndex={-1} class={`page ${page}`}>
        <Page key={page === "timeline" ? `${key}?${query}` : key} page={page} id={id} />
      </main>
      <Notices />
    </div>
  );
}

function Page({ page, id }: { page: string; id: string | null }) {
  switch (page) {
    case "timeline":
      return <Timeline />;
    case "events":
      return id === null ? <Events /> : <EventOne id={id} />;
    case "outputs":
      return <Outputs />;
    case "health":
      return <Health />;
    case "rules":
      return <Rules />;
    case "zone":
      return id === null ? <Live /> : <ZonePage id={id} />;
    default:
      return id === null || page !== "live" ? <Live /> : <LiveOne id={id} />;
  }
}
