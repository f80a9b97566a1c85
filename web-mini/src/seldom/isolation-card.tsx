// Whether cameras are kept apart from the network → its card: in force or not, and who tried what how often.
import { Chip } from "../parts/small.tsx";
import type { Isolation } from "../types.ts";
import { seldom } from "./words.ts";

/** So many are shown at once; more are folded away. */
const SHOWN = 8;

export function IsolationCard({ isolation: { in_force, words, attempts } }: { isolation: Isolation }) {
  const w = seldom.isolation;
  return (
    <section class="card" data-testid="isolation" data-on={in_force}>
      <header>
        <h2>{w.title}</h2>
        <Chip tone={in_force ? "good" : "bad"}>{w.state(in_force)}</Chip>
      </header>
      <p>{words}</p>
      {attempts.length > 0 && (
        <details class="gap-list holds" open={attempts.length <= SHOWN}>
          <summary>{w.attempts(attempts.length)}</summary>
          <ul>
            {attempts.map((one) => (
              <li key={`${one.from} ${one.to}`} data-testid="attempt">
                <span class="told">{one.words}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
