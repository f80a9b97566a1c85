//! Nothing → keys and certificates for development in `target/pki`: an offline root, a signing authority, signers. For
//! what is released, ota/KEYS.md says who holds which key; none of these may leave this machine.

use crate::place::{Place, make_dir, read, write};
use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who signs a bundle.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) certificate: PathBuf,
    /// A file, or a `pkcs11:` address.
    pub(crate) key: String,
    /// Between the certificate and the root.
    pub(crate) authority: PathBuf,
    /// What the board's keyring must hold for it: the root.
    pub(crate) root: PathBuf,
}

/// Twenty years: a board on a roof outlives a shorter one, and its clock may be wrong.
const DAYS: &str = "7300";

const EXTENSIONS: &str = "[authority]\n\
basicConstraints = critical, CA:TRUE, pathlen:0\n\
keyUsage = critical, keyCertSign, cRLSign\n\
subjectKeyIdentifier = hash\n\
authorityKeyIdentifier = keyid\n\
[signer]\n\
basicConstraints = critical, CA:FALSE\n\
keyUsage = critical, digitalSignature\n\
extendedKeyUsage = critical, codeSigning\n\
subjectKeyIdentifier = hash\n\
authorityKeyIdentifier = keyid\n";

/// The development keys, made once.
pub(crate) struct Keys {
    dir: PathBuf,
}

impl Keys {
    pub(crate) fn of(place: &Place) -> Result<Self> {
        let keys = Self { dir: place.target("pki") };
        if keys.keyring().exists() {
            return Ok(keys);
        }
        make_dir(&keys.dir)?;
        write(&keys.dir.join("extensions"), EXTENSIONS)?;
        for root in ["root", "foreign-root"] {
            keys.root(root)?;
        }
        keys.issue("authority", "authority", "root")?;
        keys.issue("foreign-authority", "authority", "foreign-root")?;
        for signer in ["signer", "leaked"] {
            keys.issue(signer, "signer", "authority")?;
        }
        keys.issue("foreign", "signer", "foreign-authority")?;
        keys.list_revoked("root", None)?;
        keys.list_revoked("authority", Some("leaked"))?;
        let parts = ["root.pem", "root.crl", "authority.crl"].map(|name| read(&keys.dir.join(name)));
        let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
        write(&keys.keyring(), &parts.concat())?;
        run::done("development keys", "made in target/pki");
        Ok(keys)
    }

    /// What a board trusts: the root, and the lists of what was revoked.
    pub(crate) fn keyring(&self) -> PathBuf {
        self.dir.join("keyring.pem")
    }

    /// Signs what boards take.
    pub(crate) fn signer(&self) -> Signer {
        self.named("signer", "authority", "root")
    }

    /// Was good once; the keyring says that its key leaked.
    pub(crate) fn leaked(&self) -> Signer {
        self.named("leaked", "authority", "root")
    }

    /// Somebody else's.
    pub(crate) fn foreign(&self) -> Signer {
        self.named("foreign", "foreign-authority", "foreign-root")
    }

    fn named(&self, name: &str, authority: &str, root: &str) -> Signer {
        Signer {
            certificate: self.pem(name),
            key: self.key(name).display().to_string(),
            authority: self.pem(authority),
            root: self.pem(root),
        }
    }

    fn pem(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pem"))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    fn root(&self, name: &str) -> Result<()> {
        let mut request = request(name, &self.key(name));
        request.args(["-x509", "-days", DAYS, "-out"]).arg(self.pem(name));
        request.args(["-addext", "basicConstraints=critical,CA:TRUE,pathlen:1"]);
        request.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        openssl(&mut request)
    }

    fn issue(&self, name: &str, section: &str, by: &str) -> Result<()> {
        let asked = self.dir.join(format!("{name}.csr"));
        openssl(request(name, &self.key(name)).arg("-out").arg(&asked))?;
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", DAYS, "-extensions", section, "-extfile"])
            .arg(self.dir.join("extensions"));
        sign.arg("-in").arg(&asked).arg("-CA").arg(self.pem(by)).arg("-CAkey").arg(self.key(by));
        sign.arg("-CAcreateserial").arg("-out").arg(self.pem(name));
        openssl(&mut sign)
    }

    /// Writes `BY.crl`, with `leaked` on it if there is one.
    fn list_revoked(&self, by: &str, leaked: Option<&str>) -> Result<()> {
        let at = |suffix: &str| self.dir.join(format!("{by}.{suffix}"));
        write(&at("database"), "")?;
        write(&at("crlnumber"), "01\n")?;
        let config = format!(
            "[ca]\ndefault_ca = all\n[all]\ndatabase = {}\ncrlnumber = {}\ncertificate = {}\nprivate_key = {}\n\
             default_md = sha256\ndefault_crl_days = {DAYS}\n",
            at("database").display(),
            at("crlnumber").display(),
            self.pem(by).display(),
            self.key(by).display()
        );
        write(&at("config"), &config)?;
        if let Some(name) = leaked {
            let mut revoke = Command::new("openssl");
            revoke.args(["ca", "-config"]).arg(at("config")).arg("-revoke").arg(self.pem(name));
            openssl(revoke.args(["-crl_reason", "keyCompromise"]))?;
        }
        openssl(
            Command::new("openssl")
                .args(["ca", "-config"])
                .arg(at("config"))
                .arg("-gencrl")
                .arg("-out")
                .arg(at("crl")),
        )
    }
}

/// A request for a certificate with a new key on P-256.
fn request(name: &str, key: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"]);
    command.args(["-subj", &format!("/O=Nightjar development/CN={name}"), "-keyout"]).arg(key);
    command
}

fn openssl(command: &mut Command) -> Result<()> {
    run::capture(command)
        .map(|_| ())
        .context("openssl could not make the development keys; remove target/pki and try again")
}
