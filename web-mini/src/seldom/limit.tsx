// A false alarm → the limit that would have kept it away, what else it would, and the way to put it in force.
import { useEffect, useState } from "preact/hooks";
import { api } from "../api.ts";
import { percent } from "../format.ts";
import { useAct } from "../parts/act.ts";
import { Trouble } from "../parts/small.tsx";
import { mayOperate } from "../store.ts";
import type { EventView, Sight } from "../types.ts";
import { asks } from "./api.ts";
import { Draft } from "./draft.tsx";
import { withLimit } from "./shapes.ts";
import { propose, type Proposal } from "./threshold.ts";
import { seldom } from "./words.ts";

/** Events of the same kind that a proposal is weighed against. */
const OTHERS = 200;

export function Limit({ event }: { event: EventView }) {
  const [weighed, setWeighed] = useState<{ proposal: Proposal | null; of: number } | null>(null);
  const [kept, setKept] = useState<Sight | null>(null);
  const { trouble, act } = useAct();
  const { camera, label } = event;
  const w = seldom.limit;

  useEffect(() => {
    void act(async () => {
      const { events } = await api.events({ camera, label, limit: OTHERS });
      const others = events.filter((other) => other.id !== event.id).map((other) => other.score);
      setWeighed({ proposal: propose(event.score, others), of: others.length });
      if (mayOperate.value) setKept((await asks.sight(camera)).sight);
    });
  }, []);

  if (!weighed) return trouble ? <Trouble>{trouble}</Trouble> : null;
  const { proposal, of } = weighed;
  if (!proposal) {
    return (
      <p data-testid="proposal" role="status">
        {w.none}
      </p>
    );
  }
  const sight = kept && withLimit(kept, label, proposal.limit);
  return (
    <div data-testid="proposal" role="status">
      <p>{w.proposal(percent(proposal.limit), proposal.lost, of)}</p>
      {trouble && <Trouble>{trouble}</Trouble>}
      {sight && (
        <Draft
          draft={proposal}
          name="limit"
          onTry={(hours) => asks.rehearseSight(camera, sight, hours)}
          onSave={() => asks.saveSight(camera, sight)}
          onBack={null}
        />
      )}
    </div>
  );
}
