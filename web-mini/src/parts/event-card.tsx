// One event as a card that opens it.
import { duration, hms, percent } from "../format.ts";
import { linkTo } from "../route.ts";
import { cameraName } from "../store.ts";
import type { EventView } from "../types.ts";
import { labelWord, t } from "../words.ts";
import { EventPicture } from "./event-picture.tsx";
import { Chip } from "./small.tsx";

export function EventCard({ event }: { event: EventView }) {
  return (
    <a class="event-card" href={linkTo("events", event.id)} data-testid="event-card" data-id={event.id}>
      <EventPicture event={event} />
      <div class="event-words">
        <p class="event-title">
          <b>{labelWord(event.label)}</b>
          <time dateTime={new Date(event.start_ms).toISOString()}>{hms(event.start_ms)}</time>
        </p>
        <p class="faint">{cameraName(event.camera)}</p>
        <p class="event-tags">
          {event.end_ms === null ? (
            <Chip tone="good">{t.events.ongoing}</Chip>
          ) : (
            <span class="tag">{duration(event.end_ms - event.start_ms)}</span>
          )}
          <span class="tag">{percent(event.score)}</span>
          {event.found_ms && <span class="tag">{t.events.later}</span>}
          {event.rules.map((rule) => (
            <span key={rule} class="tag fired">
              {rule}
            </span>
          ))}
        </p>
      </div>
    </a>
  );
}
