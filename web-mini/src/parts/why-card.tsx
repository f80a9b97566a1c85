// Why an event's rules fired, in their own sentences; "false alarm" → the limit that would have kept it away, and what else it would.
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { percent } from "../format.ts";
import { rules } from "../store.ts";
import { propose, type Proposal } from "../threshold.ts";
import type { EventView } from "../types.ts";
import { labelWord, t } from "../words.ts";
import { useAct } from "./act.ts";
import { Trouble } from "./small.tsx";

/** Events of the same kind that a proposal is weighed against. */
const OTHERS = 200;

export function WhyCard({ event }: { event: EventView }) {
  const [weighed, setWeighed] = useState<{ proposal: Proposal | null; of: number } | null>(null);
  const { busy, trouble, act } = useAct();
  const w = t.why;
  const sentence = (id: string): string => rules.value?.find((rule) => rule.id === id)?.sentence ?? w.gone;

  const weigh = (): Promise<void> =>
    act(async () => {
      const { events } = await api.events({ camera: event.camera, label: event.label, limit: OTHERS });
      const others = events.filter((other) => other.id !== event.id).map((other) => other.score);
      setWeighed({ proposal: propose(event.score, others), of: others.length });
    });

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
      {weighed === null && (
        <button type="button" class="button" data-testid="false-alarm" disabled={busy} onClick={() => void weigh()}>
          {w.falseAlarm}
        </button>
      )}
      {trouble && <Trouble>{trouble}</Trouble>}
      {weighed && (
        <div data-testid="proposal" role="status">
          {weighed.proposal === null ? (
            <p>{w.none}</p>
          ) : (
            <>
              <p>{w.proposal(percent(weighed.proposal.limit), weighed.proposal.lost, weighed.of)}</p>
              <pre>{`# [[camera]] id = "${event.camera}"\n[camera.filter.${event.label}]\nmin_score = ${weighed.proposal.limit.toFixed(2)}`}</pre>
              <p class="faint">{w.where}</p>
            </>
          )}
        </div>
      )}
    </section>
  );
}
