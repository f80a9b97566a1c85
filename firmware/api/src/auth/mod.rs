//! Headers, setup code, password → [`Who`]. Keeps its files in the state folder; every secret it checks is rate limited.

mod limit;
mod password;
mod setup;
mod token;
mod users;

pub use setup::SetupCode;
pub use token::{Role, mint_token};

use crate::error::{ApiError, OpenError};
use crate::{Clock, state_file};
use axum::http::{HeaderMap, header};
use limit::Limiter;
use nightjar_types::Wall;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use token::{Keys, Kind, Statement, now_s};
use tokio::sync::Semaphore;
use users::{Revoked, User, Users};

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "nj_session";
/// Life of a session without use, seconds: a phone that looks once a fortnight stays logged in.
pub(crate) const SESSION_S: i64 = 14 * 86_400;
/// A session this old gets a new cookie, seconds.
const RENEW_AFTER_S: i64 = 86_400;
/// A session ends this long after its login, seconds, however often it was renewed.
const SESSION_MAX_S: i64 = 180 * 86_400;
/// Password hashes at once: 19 MiB each on a board that may have 512.
const HASHES_AT_ONCE: usize = 2;

/// How someone proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// A browser sends it by itself, so the request's origin matters.
    Cookie,
    /// A script put it there on purpose.
    Bearer,
}

/// Someone who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The user's name or the token's label.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) how: How,
    statement: Statement,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.how == How::Cookie { "user" } else { "token" };
        write!(f, "{kind} {}", self.name)
    }
}

/// A fresh session.
pub(crate) struct Issued {
    pub(crate) who: Who,
    /// The cookie's value. Never log it.
    pub(crate) cookie: String,
}

struct Book {
    users: Users,
    revoked: Revoked,
    /// Set while there is no admin.
    setup: Option<setup::Expected>,
}

/// Users, sessions, tokens, the setup code.
pub struct Auth {
    dir: PathBuf,
    clock: Clock,
    keys: Keys,
    book: Mutex<Book>,
    /// Held over every change of the files, so that they are written one after the other.
    pen: tokio::sync::Mutex<()>,
    limiter: Mutex<Limiter>,
    hashes: Arc<Semaphore>,
}

impl Auth {
    /// Opens or makes the files in `state_dir`. The code is there as long as there is no admin; print it on the console only.
    pub fn open(state_dir: &Path, clock: Clock) -> Result<(Self, Option<SetupCode>), OpenError> {
        state_file::folder(state_dir)?;
        let keys = Keys::open(state_dir, true)?;
        let users = Users::open(state_dir)?;
        let code = if users.has_admin() { None } else { Some(SetupCode::new()?) };
        let setup = code.as_ref().map(setup::Expected::of).transpose()?;
        let limiter = Mutex::new(Limiter::new(clock().as_ms()));
        let auth = Self {
            dir: state_dir.to_owned(),
            clock,
            keys,
            book: Mutex::new(Book { users, revoked: Revoked::open(state_dir)?, setup }),
            pen: tokio::sync::Mutex::new(()),
            limiter,
            hashes: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        };
        Ok((auth, code))
    }

    /// There is no admin yet.
    pub fn setup_needed(&self) -> bool {
        self.book().setup.is_some()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it holds the book")
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().expect("nothing panics while it holds the limiter")
    }

    fn now(&self) -> Wall {
        (self.clock)()
    }

    /// Who sends these headers. A bearer token wins over a cookie; `Err` says what is wrong.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Who, &'static str> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let text = value.to_str().ok().and_then(|v| v.split_once(' '));
            return match text {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self
                    .keys
                    .verify(Kind::Token, token.trim(), self.now())
                    .and_then(|statement| self.accept(statement))
                    .ok_or("the token is not valid here or has expired; make one with `nightjar token new`"),
                _ => Err("send Authorization: Bearer TOKEN; make a token with `nightjar token new`"),
            };
        }
        let mut sent = false;
        for value in cookies(headers) {
            sent = true;
            let statement = self.keys.verify(Kind::Session, value, self.now());
            if let Some(who) = statement.and_then(|statement| self.accept(statement)) {
                return Ok(who);
            }
        }
        Err(if sent { "the session has ended; log in again" } else { "log in first" })
    }

    /// Still good, for connections that stay open.
    pub(crate) fn holds(&self, who: &Who) -> bool {
        // A stream outlives its cookie's renewal, so only the end of the session's longest life counts here.
        let statement = &who.statement;
        let ends = match statement.kind {
            Kind::Session => statement.born_s + SESSION_MAX_S,
            Kind::Token => statement.expires_s,
        };
        now_s(self.now()) < ends && self.accept(statement.clone()).is_some()
    }

    /// A signed statement against the book: a session has the role its user has now.
    fn accept(&self, statement: Statement) -> Option<Who> {
        let book = self.book();
        if book.revoked.contains(&statement.id) {
            return None;
        }
        let (role, how) = match statement.kind {
            Kind::Session => {
                let user = book.users.find(&statement.user)?;
                (user.epoch == statement.epoch).then_some((user.role, How::Cookie))?
            }
            Kind::Token => (book.users.epoch == statement.epoch).then_some((statement.role, How::Bearer))?,
        };
        Some(Who { name: statement.user.clone(), role, how, statement })
    }

    /// The new cookie value of a session that is older than a day; `None` most of the time.
    pub(crate) fn renew(&self, who: &Who) -> Option<String> {
        let now = now_s(self.now());
        let old = &who.statement;
        let due = who.how == How::Cookie && old.expires_s - now < SESSION_S - RENEW_AFTER_S;
        let expires_s = (now + SESSION_S).min(old.born_s + SESSION_MAX_S);
        (due && expires_s > old.expires_s)
            .then(|| self.keys.sign(&Statement { expires_s, role: who.role, ..old.clone() }))
    }

    /// Makes the first admin.
    pub(crate) async fn setup(
        &self,
        from: IpAddr,
        code: &str,
        username: &str,
        password: String,
    ) -> Result<Issued, ApiError> {
        if !self.setup_needed() {
            return Err(ApiError::Conflict("the first admin exists already; log in".into()));
        }
        let name = checked_name(username)?;
        check_password(&password)?;
        self.attempt(from)?;
        // While the pen is held no second request can make another first admin.
        let _pen = self.pen.lock().await;
        let right = match &self.book().setup {
            Some(expected) => expected.fits(code),
            None => return Err(ApiError::Conflict("the first admin exists already; log in".into())),
        };
        if !right {
            return Err(ApiError::Forbidden(
                "the setup code is wrong; it stands on the recorder's console since its last start".into(),
            ));
        }
        let salt = state_file::random::<16>().map_err(told)?;
        let hash = self.hashing(move || password::hash(&password, salt)).await?;
        let mut users = self.book().users.clone();
        users.users.retain(|user| !user.name.eq_ignore_ascii_case(&name));
        users.users.push(User { name: name.clone(), role: Role::Admin, password: hash, epoch: 0 });
        self.store(users.clone(), Users::save).await?;
        {
            let mut book = self.book();
            book.users = users;
            book.setup = None;
        }
        self.limiter().succeeded(from);
        self.issue(&name)
    }

    /// Checks a password. Unknown users take as long as known ones.
    pub(crate) async fn login(
        &self,
        from: IpAddr,
        username: &str,
        password: String,
    ) -> Result<Issued, ApiError> {
        self.attempt(from)?;
        let name = username.trim().to_owned();
        let stored = self.book().users.find(&name).map(|user| user.password.clone());
        let too_long = password.len() > password::MAX_BYTES;
        let password = if too_long { String::new() } else { password };
        let fits = self
            .hashing(move || {
                static NOBODY: OnceLock<String> = OnceLock::new();
                let hash = stored.as_deref();
                let hash = hash.unwrap_or_else(|| NOBODY.get_or_init(|| password::hash("nobody", [0; 16])));
                password::fits(&password, hash) && stored.is_some()
            })
            .await?;
        if !fits || too_long {
            let setup_needed = self.setup_needed();
            return Err(ApiError::NotLoggedIn { why: "user name or password is wrong", setup_needed });
        }
        self.limiter().succeeded(from);
        self.issue(&name)
    }

    /// Ends a session or token for good, also over a restart.
    pub(crate) async fn logout(&self, who: &Who) -> Result<(), ApiError> {
        let _pen = self.pen.lock().await;
        let now = self.now();
        // An older cookie of the same session may have been renewed: its id stays revoked as long as any could live.
        let until = who.statement.expires_s.max(now_s(now) + SESSION_S);
        let (revoked, users) = {
            let mut book = self.book();
            if book.revoked.add(&who.statement.id, until, now) {
                (Some(book.revoked.clone()), None)
            } else {
                match who.how {
                    How::Bearer => book.users.epoch += 1,
                    How::Cookie => {
                        book.users.users.iter_mut().filter(|u| u.name == who.name).for_each(|u| u.epoch += 1);
                    }
                }
                (None, Some(book.users.clone()))
            }
        };
        if let Some(revoked) = revoked {
            self.store(revoked, Revoked::save).await?;
        }
        if let Some(users) = users {
            self.store(users, Users::save).await?;
        }
        Ok(())
    }

    fn attempt(&self, from: IpAddr) -> Result<(), ApiError> {
        self.limiter().attempt(from, self.now().as_ms()).map_err(ApiError::TooMany)
    }

    fn issue(&self, name: &str) -> Result<Issued, ApiError> {
        let now = now_s(self.now());
        let user = self.book().users.find(name).cloned();
        let user = user.ok_or_else(|| ApiError::State("the user is gone".into()))?;
        let statement = Statement {
            kind: Kind::Session,
            id: token::fresh_id().map_err(told)?,
            user: user.name.clone(),
            role: user.role,
            born_s: now,
            expires_s: now + SESSION_S,
            epoch: user.epoch,
        };
        let cookie = self.keys.sign(&statement);
        Ok(Issued { who: Who { name: user.name, role: user.role, how: How::Cookie, statement }, cookie })
    }

    /// Runs a password hash beside the event loop. The permit travels with the work, so a caller that hangs up frees nothing early.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = Arc::clone(&self.hashes).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(told)
    }

    async fn store<T: Send + 'static>(
        &self,
        value: T,
        save: fn(&T, &Path) -> Result<(), OpenError>,
    ) -> Result<(), ApiError> {
        let dir = self.dir.clone();
        let done = tokio::task::spawn_blocking(move || save(&value, &dir));
        done.await.map_err(told)?.map_err(told)
    }
}

fn told(error: impl std::fmt::Display) -> ApiError {
    ApiError::State(error.to_string())
}

fn checked_name(username: &str) -> Result<String, ApiError> {
    let name = username.trim();
    if name.is_empty() || name.chars().count() > 32 || name.chars().any(char::is_control) {
        return Err(ApiError::BadRequest("a user name has 1 to 32 characters".into()));
    }
    Ok(name.to_owned())
}

fn check_password(password: &str) -> Result<(), ApiError> {
    if password.chars().count() < password::MIN_CHARS || password.len() > password::MAX_BYTES {
        return Err(ApiError::BadRequest(format!(
            "a password has at least {} characters and at most {} bytes",
            password::MIN_CHARS,
            password::MAX_BYTES
        )));
    }
    Ok(())
}

/// Every value of the session cookie: a browser sends several when their paths differ.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
        .take(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    const DAY: i64 = 86_400_000_000;
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    struct Bench {
        folder: tempfile::TempDir,
        time: Arc<AtomicI64>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                time: Arc::new(AtomicI64::new(1_795_000_000_000_000)),
            }
        }
        fn open(&self) -> (Auth, Option<SetupCode>) {
            let time = Arc::clone(&self.time);
            let clock: Clock = Arc::new(move || Wall(time.load(Ordering::Relaxed)));
            Auth::open(self.folder.path(), clock).unwrap()
        }
        fn pass(&self, micros: i64) {
            self.time.fetch_add(micros, Ordering::Relaxed);
        }
        async fn with_admin(&self) -> (Auth, Issued) {
            let (auth, code) = self.open();
            let code = code.unwrap();
            let issued = auth.setup(HERE, code.reveal(), "Ada", "correct horse".into()).await.unwrap();
            (auth, issued)
        }
    }

    fn with_cookie(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}={value}").parse().unwrap());
        headers
    }

    fn with_token(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {value}").parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn the_code_works_once_and_is_gone_after_a_restart() {
        let bench = Bench::new();
        let (auth, issued) = bench.with_admin().await;
        assert_eq!((issued.who.name.as_str(), issued.who.role), ("Ada", Role::Admin));
        assert!(!auth.setup_needed());
        let again = auth.setup(HERE, "AAAA-AAAA", "Eve", "correct horse".into()).await;
        assert!(matches!(again, Err(ApiError::Conflict(_))));
        let (auth, code) = bench.open();
        assert!(code.is_none());
        assert!(auth.check(&with_cookie(&issued.cookie)).is_ok(), "sessions survive a restart");
        assert!(auth.login(HERE, "ada", "correct horse".into()).await.is_ok());
        assert!(auth.login(HERE, "ada", "correct horsf".into()).await.is_err());
        assert!(auth.login(HERE, "eve", "nobody".into()).await.is_err());
    }

    #[tokio::test]
    async fn a_session_renews_while_it_is_used_and_ends_when_not() {
        let bench = Bench::new();
        let (auth, issued) = bench.with_admin().await;
        let who = auth.check(&with_cookie(&issued.cookie)).unwrap();
        assert_eq!(auth.renew(&who), None);
        bench.pass(2 * DAY);
        let who = auth.check(&with_cookie(&issued.cookie)).unwrap();
        let renewed = auth.renew(&who).unwrap();
        bench.pass(13 * DAY);
        assert!(auth.check(&with_cookie(&issued.cookie)).is_err());
        assert!(auth.check(&with_cookie(&renewed)).is_ok());
        bench.pass(2 * DAY);
        assert!(auth.check(&with_cookie(&renewed)).is_err());
    }

    #[tokio::test]
    async fn no_session_outlives_its_longest_life() {
        let bench = Bench::new();
        let (auth, issued) = bench.with_admin().await;
        let mut cookie = issued.cookie;
        for _ in 0..18 {
            bench.pass(10 * DAY - 1);
            let who = auth.check(&with_cookie(&cookie)).unwrap();
            cookie = auth.renew(&who).unwrap_or(cookie);
        }
        bench.pass(DAY);
        assert!(auth.check(&with_cookie(&cookie)).is_err());
    }

    #[tokio::test]
    async fn logout_also_ends_the_renewed_cookie_and_lasts() {
        let bench = Bench::new();
        let (auth, issued) = bench.with_admin().await;
        bench.pass(2 * DAY);
        let who = auth.check(&with_cookie(&issued.cookie)).unwrap();
        let renewed = auth.renew(&who).unwrap();
        assert!(auth.holds(&who));
        auth.logout(&who).await.unwrap();
        assert!(!auth.holds(&who));
        let (again, _) = bench.open();
        for cookie in [&issued.cookie, &renewed] {
            assert!(auth.check(&with_cookie(cookie)).is_err());
            assert!(again.check(&with_cookie(cookie)).is_err());
        }
    }

    #[tokio::test]
    async fn a_cookie_is_no_bearer_and_a_token_no_cookie() {
        let bench = Bench::new();
        let (auth, issued) = bench.with_admin().await;
        let now = Wall(bench.time.load(Ordering::Relaxed));
        let token =
            mint_token(bench.folder.path(), Role::Viewer, Duration::from_secs(60), "kit", now).unwrap();
        assert_eq!(auth.check(&with_token(&token)).unwrap().to_string(), "token kit");
        assert!(auth.check(&with_token(&issued.cookie)).is_err());
        assert!(auth.check(&with_cookie(&token)).is_err());
        bench.pass(60_000_000);
        assert!(auth.check(&with_token(&token)).is_err());
    }

    #[tokio::test]
    async fn guessing_is_slowed_down() {
        let bench = Bench::new();
        let (auth, code) = bench.open();
        let code = code.unwrap();
        let mut refused = 0;
        for _ in 0..50 {
            match auth.setup(HERE, "WRNG-WRNG", "eve", "correct horse".into()).await {
                Err(ApiError::Forbidden(_)) => {}
                Err(ApiError::TooMany(_)) => refused += 1,
                _ => panic!("a wrong code got in"),
            }
        }
        assert_eq!(refused, 45);
        let early = auth.setup(HERE, code.reveal(), "ada", "correct horse".into()).await;
        assert!(matches!(early, Err(ApiError::TooMany(_))), "also the right code waits");
        bench.pass(2_000_000);
        assert!(auth.setup(HERE, code.reveal(), "ada", "correct horse".into()).await.is_ok());
    }
}
