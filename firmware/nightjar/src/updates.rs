//! Whatever happens → everybody who is told: the pages that are open, and the world outside. Never waits for either.

use nightjar_io::alarm::World;
use nightjar_types::status::Update;
use tokio::sync::broadcast;

/// Updates that a slow reader of the event stream may be behind.
const QUEUE: usize = 256;

/// Tells.
#[derive(Clone)]
pub(crate) struct Updates {
    pages: broadcast::Sender<Update>,
    world: World,
}

impl Updates {
    pub(crate) fn new(world: World) -> Self {
        Self { pages: broadcast::channel(QUEUE).0, world }
    }

    /// Tells everybody.
    pub(crate) fn send(&self, update: Update) {
        self.world.tell(&update);
        let _ = self.pages.send(update); // no page may be open
    }

    /// A page more.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.pages.subscribe()
    }

    /// Somebody would hear.
    pub(crate) fn are_heard(&self) -> bool {
        self.pages.receiver_count() > 0 || !self.world.is_empty()
    }
}
