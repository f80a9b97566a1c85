//! The form's fields → a wish, checked; a wish → the files that say so; the form itself.

use ring::pbkdf2;
use std::num::NonZeroU32;

/// What a person wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Name of the network: any bytes, IEEE 802.11 calls it SSID.
    ssid: Vec<u8>,
    /// `None`: it asks for none.
    key: Option<String>,
    zone: Option<String>,
}

impl Wish {
    /// Of `application/x-www-form-urlencoded` text (WHATWG URL, section 5).
    pub(super) fn of(body: &str) -> Result<Self, &'static str> {
        let field = |name: &str| {
            let pair = body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            pair.map_or(Some(Vec::new()), |(_, value)| decode(value))
        };
        let (Some(ssid), Some(key), Some(zone)) = (field("ssid"), field("key"), field("zone")) else {
            return Err("The form did not arrive whole: send it again.");
        };
        if !(1..=32).contains(&ssid.len()) {
            return Err("The network's name has 1 to 32 letters.");
        }
        // IEEE 802.11, annex J.4: a passphrase has 8 to 63 printable ASCII characters.
        if !key.is_empty() && (!(8..=63).contains(&key.len()) || key.iter().any(|b| !(32..127).contains(b))) {
            return Err("A Wi-Fi password has 8 to 63 letters, digits and signs.");
        }
        let is_zone = |b: &u8| b.is_ascii_alphanumeric() || b"/_+-".contains(b);
        if zone.len() > 64 || !zone.iter().all(is_zone) {
            return Err("A time zone reads like Europe/Berlin.");
        }
        let text = |bytes: Vec<u8>| {
            Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
        };
        Ok(Self { ssid, key: text(key), zone: text(zone) })
    }

    /// The network's name for people.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.ssid).into_owned()
    }

    /// For wpa_supplicant, whose file format is wpa_supplicant.conf(5). All is hexadecimal: in a quoted passphrase a quote or a
    /// number sign would end it.
    pub(super) fn supplicant(&self) -> String {
        let key = match &self.key {
            Some(key) => format!(
                "key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n\tpsk={}\n\tsae_password={}",
                hex(&pre_shared(key, &self.ssid)),
                hex(key.as_bytes())
            ),
            None => "key_mgmt=NONE".into(),
        };
        let ssid = hex(&self.ssid);
        format!("ctrl_interface=/run/wpa_supplicant\nnetwork={{\n\tssid={ssid}\n\tscan_ssid=1\n\t{key}\n}}\n")
    }

    /// For the recorder's unit.
    pub(super) fn environment(&self) -> Option<String> {
        self.zone.as_ref().map(|zone| format!("TZ={zone}\n"))
    }
}

/// The key that a passphrase stands for in a network: IEEE 802.11, annex J.4.
fn pre_shared(passphrase: &str, ssid: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let rounds = NonZeroU32::new(4096).expect("it is not zero");
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, rounds, ssid, passphrase.as_bytes(), &mut key);
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None`: a per cent sign without two hexadecimal digits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(bytes.next()?)? * 16 + digit(bytes.next()?)?) as u8
            }
            other => other,
        });
    }
    Some(decoded)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Nightjar</title>\
         <style>body{{font:1.1em/1.5 system-ui;max-width:26em;margin:2em auto;padding:0 1em}}label{{display:block;margin:1em 0}}\
         input,button{{font:inherit;width:100%;padding:.6em;box-sizing:border-box}}.bad{{color:#b00020}}</style>{body}"
    )
}

/// The form. `heard` has a network's name a line, `failed` is why the last try failed.
pub(super) fn ask(heard: &str, failed: &str, page_address: &str) -> String {
    let names: String = heard
        .lines()
        .filter(|name| !name.is_empty())
        .take(32)
        .map(|name| format!("<option value=\"{}\">", escape(name)))
        .collect();
    let failed = match failed.trim() {
        "" => String::new(),
        why => format!("<p class=bad>{}</p>", escape(why)),
    };
    page(&format!(
        "<h1>Nightjar</h1>{failed}<p>Which Wi-Fi is this recorder to join?</p><form method=post action=/join>\
         <label>Name <input name=ssid list=heard required maxlength=32 autocapitalize=off></label><datalist id=heard>{names}</datalist>\
         <label>Password <input name=key type=password minlength=8 maxlength=63 autocomplete=off></label>\
         <label>Time zone <input name=zone maxlength=64 placeholder=Europe/Berlin></label><button>Join</button></form>\
         <p>It needs none to record: <a href=\"{}\">make the administrator and look at the cameras here</a>.</p>\
         <script>document.querySelector('[name=zone]').value=Intl.DateTimeFormat().resolvedOptions().timeZone||''</script>",
        escape(page_address)
    ))
}

/// The answer to a wish.
pub(super) fn thanks(wish: &Wish) -> String {
    page(&format!(
        "<h1>Nightjar</h1><p>It joins {} now, and this access point goes away. Join the same network with this phone and open \
         <b>https://nightjar.local:8443</b>.</p><p>If it cannot join, the access point is back within two minutes and says why.</p>",
        escape(&wish.shown())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_checked_field_by_field() {
        let wish =
            Wish::of("ssid=Barn&key=p%22%23%24%2B+word&zone=America%2FArgentina%2FBuenos_Aires").unwrap();
        let text = wish.supplicant();
        assert!(text.contains("\tsae_password=702223242b20776f7264\n") && !text.contains('"'), "{text}");
        assert_eq!(wish.environment().unwrap(), "TZ=America/Argentina/Buenos_Aires\n");
        assert!(Wish::of("ssid=open&key=").unwrap().supplicant().contains("key_mgmt=NONE"));
        let refused = |body: &str| Wish::of(body).unwrap_err();
        assert!(refused("key=12345678").contains("1 to 32"));
        assert!(refused(&format!("ssid={}", "a".repeat(33))).contains("1 to 32"));
        assert!(refused("ssid=a&key=1234567").contains("8 to 63"));
        // a line feed would be a line of its own in the file
        assert!(refused("ssid=a&key=12345678%0Apsk%3Dx").contains("8 to 63"));
        assert!(refused("ssid=a&zone=x%0AMALLOC_%3D1").contains("Europe/Berlin"));
        assert!(refused("ssid=%").contains("whole") && refused("ssid=%zz").contains("whole"));
    }

    #[test]
    fn the_key_of_a_passphrase_is_the_standards() {
        // IEEE 802.11, annex J.4.3, test vectors 1 and 3
        let key = |passphrase, ssid: &str| hex(&pre_shared(passphrase, ssid.as_bytes()));
        assert_eq!(
            key("password", "IEEE"),
            "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
        );
        let long = "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62";
        assert_eq!(key(&"a".repeat(32), &"Z".repeat(32)), long);
    }

    #[test]
    fn names_of_networks_are_no_markup() {
        let text = ask("<script>alert(1)</script>\n\"x\"\n", "<b>", "https://10.77.0.1:8443/");
        assert!(
            !text.contains("<script>alert") && text.contains("&quot;x&quot;") && !text.contains("<b>"),
            "{text}"
        );
    }
}
