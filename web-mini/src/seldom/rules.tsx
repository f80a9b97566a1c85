// The rules as text: tried on what happened before they are put in force.
import { useEffect, useState } from "preact/hooks";
import { Head } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Draft, KeptHead, useKept } from "./draft.tsx";

export function Rules() {
  const { kept, renew, ...state } = useKept(asks.rulesText);
  const [text, setText] = useState("");
  useEffect(() => setText(kept?.text ?? ""), [kept]);

  return (
    <>
      <Head title={t.outputs.rules} back={linkTo("outputs")} />
      <KeptHead kept={kept} {...state} />
      {kept && (
        <>
          <textarea
            class="code"
            data-testid="rules-text"
            aria-label={t.outputs.rules}
            rows={14}
            value={text}
            autocapitalize="none"
            spellcheck={false}
            onInput={(e) => setText(e.currentTarget.value)}
          />
          <Draft
            draft={text}
            name="rules"
            onTry={(hours) => asks.rehearse(text, hours)}
            onSave={() => asks.saveRules(text)}
            onBack={kept.is_own ? () => asks.saveRules(null).then(renew) : null}
          />
        </>
      )}
    </>
  );
}
