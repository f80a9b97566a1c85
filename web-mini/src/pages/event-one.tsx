// One event: its picture, its clip, and the way to the recording around it.
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, urls } from "../api.ts";
import { duration, moment, percent } from "../format.ts";
import { EventPicture } from "../parts/event-picture.tsx";
import { Icon } from "../parts/icon.tsx";
import { Fact, Facts, Head, Loading, Trouble } from "../parts/small.tsx";
import { WhyCard } from "../parts/why-card.tsx";
import { linkTo } from "../route.ts";
import { cameraName, eventNews, sentOut, serverNow } from "../store.ts";
import { WINDOW } from "../timeline.ts";
import type { EventView } from "../types.ts";
import { labelWord, t } from "../words.ts";

/** The clip shows this much before and after, ms. */
const AROUND_MS = 5_000;

export function EventOne({ id }: { id: string }) {
  const [event, setEvent] = useState<EventView | null>(null);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    let gone = false;
    api
      .event(id)
      .then((found) => !gone && setEvent(found))
      .catch((e: unknown) => {
        if (gone || sentOut(e)) return;
        setTrouble(e instanceof ApiError && e.status === 404 ? t.events.gone : e instanceof Error ? e.message : String(e));
      });
    return () => {
      gone = true;
    };
  }, [id]);
  const news = eventNews.value;
  useEffect(() => {
    if (news?.id === id) setEvent(news);
  }, [news]);

  const title = event ? labelWord(event.label) : t.events.title;
  return (
    <div class="event-detail" data-testid="event-detail" data-id={id}>
      <Head title={title} back={linkTo("events")}>
        {event && <p class="faint">{cameraName(event.camera)}</p>}
      </Head>
      {trouble && <Trouble>{trouble}</Trouble>}
      {!event && !trouble && <Loading />}
      {event && <Detail event={event} />}
    </div>
  );
}

function Detail({ event }: { event: EventView }) {
  const now = serverNow();
  return (
    <div class="event-columns">
      <EventPicture event={event} testid="event-snapshot" big />
      <Clip event={event} />
      <WhyCard key={event.id} event={event} />
      <div class="card">
        <Facts>
          <Fact name={t.events.seen}>
            {moment(event.start_ms, now)},{" "}
            {event.end_ms === null ? t.events.ongoing : t.events.lasted(duration(event.end_ms - event.start_ms))}
          </Fact>
          {event.found_ms && <Fact name={t.events.later}>{moment(event.found_ms, now)}</Fact>}
          <Fact name={t.events.camera}>{cameraName(event.camera)}</Fact>
          <Fact name={t.events.label}>
            {labelWord(event.label)}, {t.events.sure(percent(event.score))}
          </Fact>
          <Fact name={t.events.track}>{event.track}</Fact>
          <Fact name={t.events.model}>
            <code title={event.model}>{event.model.slice(0, 12)}</code>
          </Fact>
        </Facts>
        <div class="toolbar">
          <a class="button" href={linkTo("timeline", null, { camera: event.camera, at: event.start_ms - AROUND_MS })}>
            <Icon name="timeline" />
            {t.events.openTimeline}
          </a>
        </div>
      </div>
    </div>
  );
}

/** The recording of the event; a running event's clip ends where it stood when the page was opened. */
function Clip({ event }: { event: EventView }) {
  const [openedAt] = useState(serverNow);
  const [broken, setBroken] = useState(false);
  const from = event.start_ms - AROUND_MS;
  const to = Math.min((event.end_ms ?? openedAt) + AROUND_MS, from + WINDOW);
  // The end is still being written until it has passed for a while: ask only for what is surely there.
  const until = Math.min(to, Math.max(openedAt, event.start_ms + 1_000));
  return (
    <section class="card clip" aria-label={t.events.clip}>
      <video
        src={urls.video(event.camera, "main", from, until)}
        controls
        playsInline
        preload="metadata"
        onError={() => setBroken(true)}
        onLoadedData={() => setBroken(false)}
      />
      {broken && <Trouble>{t.events.clipGone}</Trouble>}
      <a class="button" href={urls.video(event.camera, "main", from, until, true)} download>
        <Icon name="download" />
        {t.events.download}
      </a>
    </section>
  );
}
