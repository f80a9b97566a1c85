// Events, newest first, by camera and class; new ones come on top.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { byDay } from "../events.ts";
import { fullDay } from "../format.ts";
import { EventCard } from "../parts/event-card.tsx";
import { useEventFeed } from "../parts/event-feed.ts";
import { Empty, Head, Loading, Trouble } from "../parts/small.tsx";
import { cameras, health, serverNow } from "../store.ts";
import { dayOf, HOUR } from "../timeline.ts";
import { labelWord, t } from "../words.ts";

export function Events() {
  const [camera, setCamera] = useState("");
  const [label, setLabel] = useState("");
  const feed = useEventFeed(camera, label);
  const end = useRef<HTMLDivElement>(null);
  const fetchMore = useRef(feed.fetchMore);
  fetchMore.current = feed.fetchMore;

  useEffect(() => {
    if (!end.current) return;
    const watch = new IntersectionObserver((all) => all.some((e) => e.isIntersecting) && fetchMore.current(), {
      rootMargin: "600px",
    });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [feed.events.length, feed.busy]);

  const labels = useMemo(() => {
    const known = new Set(health.value?.eye.model.labels ?? []);
    for (const event of feed.events) known.add(event.label);
    return [...known];
  }, [health.value?.eye.model.sha256, feed.events]);

  return (
    <>
      <Head title={t.events.title} />
      <div class="toolbar">
        <select aria-label={t.events.camera} value={camera} onChange={(e) => setCamera(e.currentTarget.value)}>
          <option value="">{t.events.allCameras}</option>
          {cameras.value?.map((c) => (
            <option key={c.id} value={c.id}>
              {c.name || c.id}
            </option>
          ))}
        </select>
        <select aria-label={t.events.label} value={label} onChange={(e) => setLabel(e.currentTarget.value)}>
          <option value="">{t.events.allClasses}</option>
          {labels.map((l) => (
            <option key={l} value={l}>
              {labelWord(l)}
            </option>
          ))}
        </select>
      </div>
      {feed.error && <Trouble>{feed.error}</Trouble>}
      {!feed.ready && <Loading />}
      {feed.ready && feed.events.length === 0 && !feed.error && (
        <Empty icon="events" title={camera || label ? t.events.emptyFilter : t.events.empty}>
          {camera || label ? null : t.events.emptyMend}
        </Empty>
      )}
      {byDay(feed.events).map(({ day, events }) => (
        <section key={day} aria-label={dayWord(day)}>
          <h2 class="day-name">{dayWord(day)}</h2>
          <ul class="event-list">
            {events.map((event) => (
              <li key={event.id}>
                <EventCard event={event} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      <div ref={end} class="list-end">
        {feed.more ? (
          <button type="button" class="button" disabled={feed.busy} onClick={feed.fetchMore}>
            {t.events.more}
          </button>
        ) : (
          feed.events.length > 0 && <p class="faint">{t.events.end}</p>
        )}
      </div>
    </>
  );
}

function dayWord(day: number): string {
  const today = dayOf(serverNow());
  if (day === today.from) return t.today;
  if (day === dayOf(today.from - HOUR).from) return t.yesterday;
  return fullDay(day);
}
