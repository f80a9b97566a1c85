// What is wired to the inputs, and how it stands.
import { moment } from "../format.ts";
import { inputs, serverNow } from "../store.ts";
import { t } from "../words.ts";
import { Chip } from "./small.tsx";

export function InputList() {
  const all = inputs.value;
  if (!all?.length) return null;
  const now = serverNow();
  return (
    <>
      <h2>{t.inputs.title}</h2>
      <ul class="rule-list">
        {all.map(({ id, line, kind, active, changed_ms: changed }) => (
          <li key={id} class="card rule input" data-testid={`input-${id}`} data-active={active}>
            <p>
              <strong>{id}</strong> <Chip tone={active ? "warn" : "calm"}>{t.inputs.states[kind][active ? 1 : 0]}</Chip>
            </p>
            <p class="faint">
              {t.inputs.kinds[kind]} · <code>{line}</code>
              {changed !== null && ` · ${t.inputs.changed(moment(changed, now))}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
