// What is opened seldom → fetched when it is opened, once; when it cannot be, why, and the way to a page that fits the recorder.
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words.ts";
import { Loading, Trouble } from "./small.tsx";

type All = typeof import("../seldom.ts");

let fetched: All | null = null;

export function Seldom({ show }: { show: (all: All) => VNode }) {
  const [all, setAll] = useState(fetched);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (all) return;
    let gone = false;
    import("../seldom.ts").then(
      (found) => {
        fetched = found;
        if (!gone) setAll(found);
      },
      () => !gone && setFailed(true),
    );
    return () => {
      gone = true;
    };
  }, []);
  if (all) return show(all);
  if (!failed) return <Loading />;
  return (
    <div class="failed" data-testid="seldom-failed">
      <Trouble>{t.seldom.failed}</Trouble>
      {/* Some browsers remember that a module was not there: only a new page asks again. */}
      <button type="button" class="button wide" data-testid="seldom-again" onClick={() => location.reload()}>
        {t.seldom.again}
      </button>
    </div>
  );
}
