// Every word the page says, in the reader's language. A new language is one more file in `words/` and a name in `tables`.
import { language, type Language } from "./language.ts";
import type { GapCause } from "./types.ts";
import { de } from "./words/de.ts";
import { en, type Words } from "./words/en.ts";

const tables: Record<Language, Words> = { en, de };

export const t: Words = tables[language];

/** A class name of the model in the reader's language; unknown ones as they are. */
export function labelWord(label: string): string {
  return t.labels[label] ?? label.charAt(0).toUpperCase() + label.slice(1);
}

/** A gap's cause in the reader's language; a cause this page does not know in the recorder's words. */
export function gapWord(cause: GapCause, words: string): string {
  return (t.gap as Record<string, string>)[cause] ?? words;
}
