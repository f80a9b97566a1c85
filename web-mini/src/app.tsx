// The store's gate and route → the page that is shown, in its frame.
import { useEffect, useRef } from "preact/hooks";
import { Nav } from "./parts/nav.tsx";
import { Notices } from "./parts/notices.tsx";
import { Seldom } from "./parts/seldom.tsx";
import { Door } from "./pages/door.tsx";
import { EventOne } from "./pages/event-one.tsx";
import { Events } from "./pages/events.tsx";
import { LiveOne } from "./pages/live-one.tsx";
import { Live } from "./pages/live.tsx";
import { Outputs } from "./pages/outputs.tsx";
import { Timeline } from "./pages/timeline.tsx";
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
      return <Seldom show={({ Setup }) => <Setup />} />;
    case "login":
      return <Seldom show={({ Login }) => <Login />} />;
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
    case "live":
      return id === null ? <Live /> : <LiveOne id={id} />;
    default:
      return (
        <Seldom
          show={({ pages }) => {
            const Found = pages[page] ?? Live;
            return <Found id={id} />;
          }}
        />
      );
  }
}
