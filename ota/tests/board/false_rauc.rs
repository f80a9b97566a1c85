//! What speaks RAUC's interface where RAUC itself cannot be held still: a copy that lasts until the test says so, or breaks off.
//! It looks at bundles as RAUC 1.9 and newer do, which Debian 12 has not.

use super::Board;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};

/// What it was asked, in words.
pub type Calls = Arc<Mutex<Vec<String>>>;

pub struct FalseRauc {
    bus: zbus::Connection,
    pub calls: Calls,
}

struct Installer {
    calls: Calls,
    slot: char,
    copying: bool,
    error: String,
}

type Dict = HashMap<String, OwnedValue>;

fn owned(value: Value<'_>) -> OwnedValue {
    value.try_to_owned().unwrap()
}

fn headers(args: &Dict) -> String {
    let lines = args.get("http-headers").and_then(|v| Vec::<String>::try_from(v.try_clone().ok()?).ok());
    lines.map(|lines| format!(" with {}", lines.join(", "))).unwrap_or_default()
}

#[zbus::interface(name = "de.pengutronix.rauc.Installer")]
impl Installer {
    fn inspect_bundle(&self, bundle: &str, args: Dict) -> Dict {
        self.calls.lock().unwrap().push(format!("inspect {bundle}{}", headers(&args)));
        let update =
            HashMap::from([("compatible", Value::from("nightjar-test")), ("version", Value::from("2.0"))]);
        // RAUC wraps it twice
        HashMap::from([("update".to_owned(), owned(Value::new(Value::from(update))))])
    }

    fn install_bundle(&mut self, source: &str, args: Dict) {
        self.calls.lock().unwrap().push(format!("install {source}{}", headers(&args)));
        self.copying = true;
    }

    fn mark(&self, state: &str, slot: &str) -> (String, String) {
        self.calls.lock().unwrap().push(format!("mark {state} {slot}"));
        (slot.into(), "done".into())
    }

    fn get_slot_status(&self) -> Vec<(String, Dict)> {
        let slot = |n: u32, name: char| {
            let state = if name == self.slot { "booted" } else { "inactive" };
            let words = [("bootname", name.to_string()), ("state", state.into()), ("class", "rootfs".into())];
            let dict =
                words.into_iter().map(|(key, word)| (key.to_owned(), owned(Value::from(word)))).collect();
            (format!("rootfs.{n}"), dict)
        };
        // a slot that no boot loader knows is none of ours
        vec![slot(0, 'A'), ("appfs.0".into(), Dict::new()), slot(1, 'B')]
    }

    #[zbus(property)]
    fn operation(&self) -> String {
        if self.copying { "installing".into() } else { "idle".into() }
    }

    #[zbus(property)]
    fn last_error(&self) -> String {
        self.error.clone()
    }

    #[zbus(property)]
    fn progress(&self) -> (i32, String, i32) {
        if self.copying { (42, "Copying image to rootfs.1".into(), 2) } else { (0, String::new(), 0) }
    }

    #[zbus(property)]
    fn compatible(&self) -> String {
        "nightjar-test".into()
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, result: i32) -> zbus::Result<()>;
}

impl FalseRauc {
    pub async fn start(board: &Board) -> Self {
        let calls = Calls::default();
        let installer =
            Installer { calls: calls.clone(), slot: board.slot, copying: false, error: String::new() };
        let bus = zbus::connection::Builder::address(board.address().as_str())
            .unwrap()
            .name("de.pengutronix.rauc")
            .unwrap()
            .serve_at("/", installer)
            .unwrap()
            .build()
            .await
            .unwrap();
        Self { bus, calls }
    }

    /// The copy ends, with this error or without.
    pub async fn complete(&self, error: Option<&str>) {
        let installer = self.bus.object_server().interface::<_, Installer>("/").await.unwrap();
        let mut inner = installer.get_mut().await;
        inner.copying = false;
        inner.error = error.unwrap_or_default().into();
        drop(inner);
        let result = i32::from(error.is_some());
        Installer::completed(installer.signal_emitter(), result).await.unwrap();
    }

    /// It ends, whatever it is at.
    pub async fn die(self) -> Calls {
        self.bus.close().await.unwrap();
        self.calls
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}
