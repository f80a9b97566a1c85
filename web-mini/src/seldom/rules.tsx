// The rules as text: tried on what happened before they are put in force.
import { useState } from "preact/hooks";
import { Head } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import type { RulesText } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Draft, KeptHead, useKept } from "./draft.tsx";

export function Rules() {
  const { kept, renew, ...state } = useKept(asks.rulesText);
  return (
    <>
      <Head title={t.outputs.rules} back={linkTo("outputs")} />
      <KeptHead kept={kept} {...state} />
      {kept && <Editor kept={kept} onBack={() => asks.saveRules(null).then(renew)} />}
    </>
  );
}

function Editor({ kept, onBack }: { kept: RulesText; onBack: () => Promise<void> }) {
  const [text, setText] = useState(kept.text);
  return (
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
        onBack={kept.is_own ? onBack : null}
      />
    </>
  );
}
