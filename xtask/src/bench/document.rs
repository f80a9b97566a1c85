//! BENCHMARKS.md as it is and a new chapter → BENCHMARKS.md with that chapter in its place, the others untouched.

const HEAD: &str = "# Benchmarks\n\nWritten by `cargo xtask bench`, never by hand. Each chapter says when and where it was measured.\n";

/// The text with `chapter` below the heading `title`, in the order of `order`. Chapters that are not in `order` are dropped.
pub(super) fn with_chapter(text: &str, order: &[&str], title: &str, chapter: &str) -> String {
    let mut all: Vec<(String, String)> = chapters(text);
    all.retain(|(have, _)| have != title);
    all.push((title.to_owned(), chapter.trim().to_owned()));
    let mut whole = HEAD.to_owned();
    for wanted in order {
        for (title, body) in all.iter().filter(|(title, _)| title == wanted) {
            whole += &format!("\n## {title}\n\n{}\n", body.trim());
        }
    }
    whole
}

fn chapters(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            all.push((title.trim().to_owned(), String::new()));
        } else if let Some((_, body)) = all.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_takes_its_place_and_leaves_the_others_alone() {
        let order = ["One", "Two", "Three"];
        let text = with_chapter("", &order, "Three", "c");
        let text = with_chapter(&text, &order, "One", "a\n\nb");
        let text = with_chapter(&format!("{text}\n## Old\n\nx\n"), &order, "Three", "d");
        assert!(text.ends_with("\n## One\n\na\n\nb\n\n## Three\n\nd\n"), "{text}");
        assert!(text.starts_with(HEAD));
    }
}
