// What a draft is in sentences, and what outputs would have done with it beside what they did.
import { moment } from "../format.ts";
import { Chip, type Tone } from "../parts/small.tsx";
import { serverNow } from "../store.ts";
import type { Move, Rehearsal } from "../types.ts";
import { t } from "../words.ts";
import { seldom } from "./words.ts";

const TONES: Record<Move["fate"], Tone> = { same: "calm", new: "warn", gone: "bad" };

export function Rehearsed({ told }: { told: Rehearsal }) {
  const w = seldom.draft;
  const now = serverNow();
  const count = (fate: Move["fate"]): number => told.moves.filter((move) => move.fate === fate).length;
  return (
    <section data-testid="rehearsal" role="status">
      <ul class="rule-list">
        {told.rules.map((rule) => (
          <li key={rule.id} class="card rule">
            <p>{rule.sentence}</p>
            <p class="faint">
              <code>{rule.id}</code>
            </p>
          </li>
        ))}
      </ul>
      <h2>{w.moves}</h2>
      <p>
        {w.counts(count("same"), count("new"), count("gone"))}
        {told.left_out > 0 && ` (+${told.left_out})`}
      </p>
      {told.since_ms === null ? <p>{w.nothing}</p> : <p class="faint">{w.since(moment(told.since_ms, now))}</p>}
      <ul class="rule-list">
        {told.moves
          .slice()
          .reverse()
          .map((move, n) => (
            <li key={n} class="card rule" data-fate={move.fate}>
              <p>
                {moment(move.at_ms, now)} · {move.output} {move.on ? t.outputs.on : t.outputs.off}{" "}
                <Chip tone={TONES[move.fate]}>{w.fates[move.fate]}</Chip>
              </p>
              <p class="faint">{move.cause}</p>
            </li>
          ))}
      </ul>
    </section>
  );
}
