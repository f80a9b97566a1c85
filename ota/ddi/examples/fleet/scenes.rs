//! A server and boards → one row a scene: what was done to them, and what both said afterwards.

use crate::board::{Board, FACTORY};
use crate::cutter::Cutter;
use crate::hawkbit::Hawkbit;
use crate::until;
use anyhow::{Context, Result, ensure};
use nightjar_ddi::{Address, Client, Consent, Login, Next, Setup, Stage, random};
use nightjar_types::Secret;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of every simulated bundle.
const BUNDLE: usize = 3 << 20;
const FILE: &str = "nightjar.raucb";
const GOOD: &str = "2.0.0";
const WORSE: &str = "3.0.0-bad";
/// Per cent of the boards that go first.
const FIRST: u32 = 20;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) scene: &'static str,
    pub(crate) must: String,
    pub(crate) was: String,
    pub(crate) is_right: bool,
    pub(crate) took: Duration,
}

/// Everything that scenes need.
struct Bench {
    hawkbit: Hawkbit,
    folder: PathBuf,
    fleet: Vec<Arc<Board>>,
    good: u64,
    bad: u64,
}

/// Plays every scene.
pub(crate) async fn all(server: &str, folder: &Path, count: usize) -> Result<Vec<Row>> {
    let hawkbit = Hawkbit::new(server)?;
    hawkbit.set("authentication.targettoken.enabled", json!(true)).await?;
    let good = hawkbit.add_version(GOOD, FILE, &bundle(2)).await?;
    let bad = hawkbit.add_version(WORSE, FILE, &bundle(3)).await?;
    let mut stage = Bench { hawkbit, folder: folder.to_owned(), fleet: Vec::new(), good, bad };
    for number in 1..=count {
        let board = stage.board(&format!("fleet-{number:03}"), server).await?;
        tokio::spawn(board.clone().run());
        stage.fleet.push(board);
    }
    let mut rows = vec![stage.register().await?, stage.wrong_token(server).await?];
    rows.push(stage.good_version().await?);
    rows.push(stage.bad_version().await?);
    rows.push(stage.alarm_window_cancel(server).await?);
    rows.push(stage.confirmation(server).await?);
    rows.push(stage.cut_in_mid_download().await?);
    rows.push(stage.dark_while_it_restarts().await?);
    rows.push(stage.never_came_back(server).await?);
    Ok(rows)
}

/// Bytes that no compression and no wrong offset can hide in.
fn bundle(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..BUNDLE).map(|_| next()).collect()
}

impl Bench {
    /// A board that the server knows, at `server` or a way to it.
    async fn board(&self, id: &str, server: &str) -> Result<Arc<Board>> {
        let token = format!("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
        self.hawkbit.add_board(id, &token).await?;
        Board::new(id, &setup(id, server, token), self.folder.join(id))
    }

    async fn register(&self) -> Result<Row> {
        let count = self.fleet.len();
        let (took, known) = until("every board told what it is", async || {
            let mut known = 0;
            for board in &self.fleet {
                let told = self.hawkbit.attributes(&board.id).await?;
                known += usize::from(told["version"] == FACTORY && told["hardware"] == "simulated");
            }
            Ok((known == count).then_some(known))
        })
        .await?;
        let must = format!("{count} boards tell hardware, version and slot");
        Ok(Row { scene: "inventory", must, was: format!("{known} did"), is_right: known == count, took })
    }

    async fn wrong_token(&self, server: &str) -> Result<Row> {
        let begin = Instant::now();
        let stranger = Client::new(&setup(&self.fleet[0].id, server, "0".repeat(32)))?;
        let error = stranger.poll().await.err().context("a wrong token opened the door")?;
        let is_right = error.next() == Next::Mend && error.to_string().contains("401");
        let must = "refused, and the words say what to compare".into();
        let took = begin.elapsed();
        let was = error.to_string().replace(server, "the server").replace('|', "/");
        Ok(Row { scene: "wrong token", must, was, is_right, took })
    }

    async fn good_version(&self) -> Result<Row> {
        let count = self.fleet.len();
        let begin = Instant::now();
        let rollout = self.hawkbit.roll_out("good", self.good, "fleet-", FIRST).await?;
        let mut early = 0; // boards of the second group that had it before the first was through
        until("the good version is rolled out", async || {
            let (status, groups) = self.hawkbit.rollout(rollout).await?;
            if let [first, second] = &groups[..] {
                let is_through = first.finished * 100 >= first.total * 80;
                early += if is_through { 0 } else { second.begun };
            }
            Ok((status == "finished").then_some(()))
        })
        .await?;
        let took = begin.elapsed();
        let at_server = self.hawkbit.boards("fleet-").await?;
        let at_server =
            at_server.iter().filter(|(_, status, version)| status == "in_sync" && version == GOOD).count();
        self.all_idle().await?;
        let at_boards = self.fleet.iter().filter(|b| b.state().running == GOOD).count();
        let once = self.fleet.iter().filter(|board| board.state().restarts == 1).count();
        Ok(Row {
            scene: "good version, two groups",
            must: format!(
                "{count} of {count} at the server and at the boards, one restart each, second group after the first"
            ),
            was: format!(
                "{at_server} at the server, {at_boards} at the boards, {once} restarted once, {early} too early"
            ),
            is_right: at_server == count && at_boards == count && once == count && early == 0,
            took,
        })
    }

    async fn bad_version(&self) -> Result<Row> {
        let begin = Instant::now();
        let rollout = self.hawkbit.roll_out("bad", self.bad, "fleet-", FIRST).await?;
        until("the bad version is stopped", async || {
            let (status, _) = self.hawkbit.rollout(rollout).await?;
            Ok((status == "paused").then_some(()))
        })
        .await?;
        let took = begin.elapsed();
        // those that had begun end; then every board polls twice more, and none may be offered it
        self.all_idle().await?;
        let polls: Vec<u32> = self.fleet.iter().map(|board| board.state().polls + 2).collect();
        until("every board polled twice more", async || {
            Ok(self
                .fleet
                .iter()
                .zip(&polls)
                .all(|(board, polls)| board.state().polls >= *polls)
                .then_some(()))
        })
        .await?;
        let (status, groups) = self.hawkbit.rollout(rollout).await?;
        let [first, second] = &groups[..] else { anyhow::bail!("{} groups instead of two", groups.len()) };
        let offered = self.fleet.iter().filter(|board| board.state().offered.contains(WORSE)).count();
        let on_good = self.fleet.iter().filter(|board| board.state().running == GOOD).count();
        let (count, limit) = (self.fleet.len(), first.total);
        Ok(Row {
            scene: "bad version",
            must: format!(
                "stops above 20 % of the first {limit}; none of the other {} is offered it; all run {GOOD}",
                second.total
            ),
            was: format!(
                "{status} with {} of {limit} failed; {offered} offered, second group {} ({} begun); {on_good} run {GOOD}",
                first.failed, second.status, second.begun
            ),
            is_right: status == "paused"
                && first.failed * 100 > limit * 20
                && second.begun == 0
                && offered as u64 <= limit
                && on_good == count,
            took,
        })
    }

    async fn alarm_window_cancel(&self, server: &str) -> Result<Row> {
        let begin = Instant::now();
        let board = self.board("alone-cancel", server).await?;
        let alarm = "an alarm goes on at camera front";
        board.state().hold = Some(alarm.into());
        tokio::spawn(board.clone().run());
        let action = self.hawkbit.assign(&board.id, self.good, json!({})).await?;
        self.told(&board, action, alarm).await?;
        ensure!(board.state().restarts == 0 && board.has_files(), "it waited, with the file fetched");
        self.hawkbit.cancel(&board.id, action, false).await?;
        self.told(&board, action, "stopped; nothing was changed").await?;
        let night = json!({ "schedule": "0 0 3 1 1 ? 2099", "duration": "01:00:00", "timezone": "+00:00" });
        board.state().hold = None;
        let second = self.hawkbit.assign(&board.id, self.good, json!({ "maintenanceWindow": night })).await?;
        self.told(&board, second, "maintenance window").await?;
        let has_fetched = board.has_files();
        self.hawkbit.cancel(&board.id, second, false).await?;
        until("the second is cancelled, too", async || {
            let (_, lines) = self.hawkbit.action(&board.id, second).await?;
            let is_over = lines.iter().any(|line| line.starts_with("canceled"));
            Ok((is_over && board.state().work.is_none()).then_some(()))
        })
        .await?;
        let restarts = board.state().restarts;
        let running = board.state().running.clone();
        Ok(Row {
            scene: "alarm, shut window, cancel",
            must: format!(
                "fetched, not installed, reasons told; cancelled twice; still {FACTORY}, nothing left"
            ),
            was: format!(
                "reasons told, cancelled twice; {restarts} restarts, runs {running}, {}",
                if board.has_files() { "files left" } else { "nothing left" }
            ),
            is_right: restarts == 0 && running == FACTORY && has_fetched && !board.has_files(),
            took: begin.elapsed(),
        })
    }

    async fn confirmation(&self, server: &str) -> Result<Row> {
        let begin = Instant::now();
        self.hawkbit.set("user.confirmation.flow.enabled", json!(true)).await?;
        let board = self.board("alone-asks", server).await?;
        tokio::spawn(board.clone().run());
        let ask = json!({ "confirmationRequired": true });
        let action = self.hawkbit.assign(&board.id, self.good, ask).await?;
        until("the board heard of it", async || Ok(board.state().offered.contains(GOOD).then_some(())))
            .await?;
        let why = "not while the cows calve";
        board.state().consent = Consent::Refused(why.into());
        self.told(&board, action, why).await?;
        let before = board.state().restarts;
        board.state().consent = Consent::Given;
        self.in_sync(&board).await?;
        self.hawkbit.set("user.confirmation.flow.enabled", json!(false)).await?;
        let running = board.state().running.clone();
        Ok(Row {
            scene: "confirmation",
            must: format!("denied with a reason: nothing happens; confirmed: {GOOD}"),
            was: format!("denied: {before} restarts; confirmed: {running}"),
            is_right: before == 0 && running == GOOD,
            took: begin.elapsed(),
        })
    }

    async fn cut_in_mid_download(&self) -> Result<Row> {
        let begin = Instant::now();
        let way = Cutter::new(self.port()?).await?;
        let board = self.board("alone-cut", &format!("http://127.0.0.1:{}", way.port)).await?;
        tokio::spawn(board.clone().run());
        let heard = async || Ok((board.state().polls > 0).then_some(()));
        until("the board found the server", heard).await?;
        way.cut_after(BUNDLE as u64 / 2);
        self.hawkbit.assign(&board.id, self.good, json!({})).await?;
        until("its network was lost in mid-download", async || Ok(way.is_cut().then_some(()))).await?;
        let before = way.passed();
        way.mend();
        self.in_sync(&board).await?;
        let after = way.passed() - before;
        let again = (before + after).saturating_sub(BUNDLE as u64);
        Ok(Row {
            scene: "network lost in mid-download",
            must: "goes on where it was; the rest and no more is fetched".into(),
            was: format!(
                "{} KiB, cut, {} KiB; {} KiB above the bundle's own, head of answers and polls included",
                before >> 10,
                after >> 10,
                again >> 10
            ),
            is_right: after < BUNDLE as u64 * 6 / 10 && board.state().running == GOOD,
            took: begin.elapsed(),
        })
    }

    async fn dark_while_it_restarts(&self) -> Result<Row> {
        let begin = Instant::now();
        let way = Cutter::new(self.port()?).await?;
        let board = self.board("alone-dark", &format!("http://127.0.0.1:{}", way.port)).await?;
        board.state().restart = Duration::from_secs(10);
        tokio::spawn(board.clone().run());
        let action = self.hawkbit.assign(&board.id, self.good, json!({})).await?;
        until("it restarts", async || Ok((board.state().restarts == 1).then_some(()))).await?;
        way.cut();
        let failures = board.state().failures;
        until("it decided, alone, and could not tell", async || {
            let state = board.state();
            let is_decided = state.work.as_ref().is_some_and(|work| matches!(work.stage, Stage::Decided(_)));
            Ok((is_decided && state.failures > failures).then_some(()))
        })
        .await?;
        let (status, _) = self.hawkbit.action(&board.id, action).await?;
        way.mend();
        self.in_sync(&board).await?;
        let (after, lines) = self.hawkbit.action(&board.id, action).await?;
        let told = lines.iter().any(|line| line.contains("every camera records again"));
        Ok(Row {
            scene: "cut off while it restarts",
            must: "open at the server until it is back, then closed with the gate's words".into(),
            was: format!("{status}, then {after}, {}", if told { "with them" } else { "without them" }),
            is_right: status == "retrieved" && after == "finished" && told,
            took: begin.elapsed(),
        })
    }

    /// What the daily job of FLEET.md does, since the server has no time-out of its own.
    async fn never_came_back(&self, server: &str) -> Result<Row> {
        let begin = Instant::now();
        let board = self.board("alone-lost", server).await?;
        let action = self.hawkbit.assign(&board.id, self.good, json!({})).await?;
        let is_found = self.hawkbit.open_since(i64::MAX as u64).await?.contains(&action);
        let is_old = self.hawkbit.open_since(0).await?.contains(&action);
        self.hawkbit.cancel(&board.id, action, false).await?;
        let (before, _) = self.hawkbit.action(&board.id, action).await?;
        self.hawkbit.cancel(&board.id, action, true).await?;
        let (after, _) = self.hawkbit.action(&board.id, action).await?;
        tokio::spawn(board.clone().run());
        until("it is back", async || Ok((board.state().polls > 1).then_some(()))).await?;
        let offered = board.state().offered.len();
        Ok(Row {
            scene: "never came back",
            must: "found by its age, open when asked to stop, closed by force; back, it has nothing to do"
                .into(),
            was: format!("found {is_found}, {before}, then {after}; back, it was offered {offered} versions"),
            is_right: is_found && !is_old && before == "canceling" && after == "canceled" && offered == 0,
            took: begin.elapsed(),
        })
    }

    /// Waits until these words are in the action's history at the server.
    async fn told(&self, board: &Board, action: u64, words: &str) -> Result<()> {
        until(&format!("the server knows: {words}"), async || {
            let (_, lines) = self.hawkbit.action(&board.id, action).await?;
            Ok(lines.iter().any(|line| line.contains(words)).then_some(()))
        })
        .await?;
        Ok(())
    }

    /// Waits until no board of the fleet works on anything.
    async fn all_idle(&self) -> Result<()> {
        let is_idle = |board: &Arc<Board>| board.state().work.is_none();
        until("every board forgot its work", async || Ok(self.fleet.iter().all(is_idle).then_some(())))
            .await?;
        Ok(())
    }

    async fn in_sync(&self, board: &Board) -> Result<()> {
        until(&format!("{} has {GOOD} at the server", board.id), async || {
            let found = self.hawkbit.boards(&board.id).await?;
            Ok(found.iter().any(|(_, status, version)| status == "in_sync" && version == GOOD).then_some(()))
        })
        .await
        .map_err(|error| error.context(format!("the board's last error: {:?}", board.state().error)))?;
        Ok(())
    }

    fn port(&self) -> Result<u16> {
        self.hawkbit.url.port().context("the server's address has no port")
    }
}

fn setup(id: &str, server: &str, token: String) -> Setup {
    Setup { address: Address::new(server, id), login: Login::TargetToken(Secret::new(token)) }
}
