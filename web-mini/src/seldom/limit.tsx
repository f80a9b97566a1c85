// A false alarm → the limit that would have kept it away, and what else it would.
import { useEffect, useState } from "preact/hooks";
import { api } from "../api.ts";
import { percent } from "../format.ts";
import { useAct } from "../parts/act.ts";
import { Trouble } from "../parts/small.tsx";
import type { EventView } from "../types.ts";
import { propose, type Proposal } from "./threshold.ts";
import { seldom } from "./words.ts";

/** Events of the same kind that a proposal is weighed against. */
const OTHERS = 200;

export function Limit({ event }: { event: EventView }) {
  const [weighed, setWeighed] = useState<{ proposal: Proposal | null; of: number } | null>(null);
  const { trouble, act } = useAct();
  const w = seldom.limit;

  useEffect(() => {
    void act(async () => {
      const { events } = await api.events({ camera: event.camera, label: event.label, limit: OTHERS });
      const others = events.filter((other) => other.id !== event.id).map((other) => other.score);
      setWeighed({ proposal: propose(event.score, others), of: others.length });
    });
  }, []);

  if (trouble) return <Trouble>{trouble}</Trouble>;
  if (!weighed) return null;
  return (
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
  );
}
