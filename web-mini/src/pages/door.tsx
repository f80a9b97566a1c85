// The frame of the pages outside: mark, title, one form.
import type { ComponentChildren } from "preact";
import { t } from "../words.ts";

export function Door({ title, lead, children }: { title: string; lead: string; children: ComponentChildren }) {
  return (
    <main class="door">
      <div class="door-card">
        <p class="door-brand">
          <img src="/icon.svg" alt="" width="40" height="40" />
          <span>{t.brand}</span>
        </p>
        <h1>{title}</h1>
        <p class="faint">{lead}</p>
        {children}
      </div>
    </main>
  );
}
