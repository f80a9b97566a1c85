//! What the storage says → the test's output, when `NIGHTJAR_CRASH_LOG` asks for it: to understand one seed.

use std::fmt::Debug;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

struct Print;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Print {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("nightjar")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        println!("  {}{}", event.metadata().level(), line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Prints from now on.
pub fn print() {
    if std::env::var_os("NIGHTJAR_CRASH_LOG").is_some() {
        let _ = tracing::subscriber::set_global_default(Print); // another test did it
    }
}

/// One line of the test's own.
pub fn say(words: impl FnOnce() -> String) {
    if std::env::var_os("NIGHTJAR_CRASH_LOG").is_some() {
        println!("{}", words());
    }
}
