// Why an event's rules fired, in their own sentences; "false alarm" leads to a limit that would have kept it away.
import { useState } from "preact/hooks";
import { percent } from "../format.ts";
import { rules } from "../store.ts";
import type { EventView } from "../types.ts";
import { labelWord, t } from "../words.ts";
import { Seldom } from "./seldom.tsx";

export function WhyCard({ event }: { event: EventView }) {
  const [isFalse, setFalse] = useState(false);
  const w = t.why;
  const sentence = (id: string): string => rules.value?.find((rule) => rule.id === id)?.sentence ?? w.gone;
  return (
    <section class="card why" data-testid="why">
      <h2>{w.title}</h2>
      {event.rules.length === 0 && <p>{t.events.noRules}</p>}
      <ul class="rule-list">
        {event.rules.map((id) => (
          <li key={id} data-testid={`why-${id}`}>
            <p>{sentence(id)}</p>
            <p class="faint">
              <code>{id}</code>
            </p>
          </li>
        ))}
      </ul>
      <p class="faint">{w.seen(labelWord(event.label), percent(event.score))}</p>
      {isFalse ? (
        <Seldom show={({ Limit }) => <Limit event={event} />} />
      ) : (
        <button type="button" class="button" data-testid="false-alarm" onClick={() => setFalse(true)}>
          {w.falseAlarm}
        </button>
      )}
    </section>
  );
}
