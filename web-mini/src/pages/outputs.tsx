// Whether the device is armed, outputs with a guarded test, the inputs, and the rules that move outputs.
import { ArmCard } from "../parts/arm-card.tsx";
import { InputList } from "../parts/input-list.tsx";
import { Head, Empty, Loading } from "../parts/small.tsx";
import { OutputCard } from "../parts/output-card.tsx";
import { moment } from "../format.ts";
import { linkTo } from "../route.ts";
import { mayOperate, outputs, rules, serverNow } from "../store.ts";
import { t } from "../words.ts";

export function Outputs() {
  const all = outputs.value;
  const now = serverNow();
  return (
    <>
      <Head title={t.outputs.title} />
      <ArmCard />
      {all === null && <Loading />}
      {all?.length === 0 && <Empty icon="outputs" title={t.outputs.empty} />}
      <ul class="cards">
        {all?.map((output) => (
          <li key={output.id}>
            <OutputCard output={output} />
          </li>
        ))}
      </ul>
      <InputList />
      <h2>{t.outputs.rules}</h2>
      <div class="toolbar">
        {mayOperate.value && (
          <a class="button" data-testid="rules-edit" href={linkTo("rules")}>
            {t.outputs.change}
          </a>
        )}
        <a class="button" data-testid="alarms-open" href={linkTo("alarms")}>
          {t.outputs.alarms}
        </a>
      </div>
      {rules.value?.length === 0 && <p class="faint">{t.outputs.noRules}</p>}
      <ul class="rule-list">
        {rules.value?.map((rule) => (
          <li key={rule.id} class="card rule" data-testid={`rule-${rule.id}`}>
            <p>{rule.sentence}</p>
            <p class="faint">
              <code>{rule.id}</code> · {t.outputs.fired(rule.fired)}
              {rule.fired_ms !== null && `, ${t.outputs.lastFired(moment(rule.fired_ms, now))}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
