// The browser's languages → one that the page speaks.

export type Language = "en" | "de";

export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split("-")[0];
    if (base === "en" || base === "de") return base;
  }
  return "en";
}

const wanted = typeof navigator === "undefined" ? [] : (navigator.languages ?? [navigator.language]);

export const language: Language = pickLanguage(wanted);

/** For dates and numbers: the reader's own region when the page speaks their language. */
export const locale: string = wanted.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;
