// The words of what is opened seldom, in the reader's language. A new language is one more file in `words/` and a name in `tables`.
import { language, type Language } from "../language.ts";
import { de } from "./words/de.ts";
import { en, type SeldomWords } from "./words/en.ts";

const tables: Record<Language, SeldomWords> = { en, de };

export const seldom: SeldomWords = tables[language];
