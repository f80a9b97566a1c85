//! One step after the other of a simulated recorder: what cameras send, what people ask, what is looked at.

use super::*;

impl World {
    pub(super) fn record(&mut self, stepped: &mut Stepped, until: i64, fault: Option<Fault>) {
        if fault.is_some_and(|f| f != Fault::Die) {
            (self.asked.is_disk_right, self.calm_from) = (false, u64::MAX);
        } else {
            self.calm_from = self.ticks + 20;
        }
        let hold_at = self.rng.chance(30).then(|| self.truth + (until - self.truth) / 3);
        let mut back_at = None;
        let mut was_there = true;
        let mut settle = 0;
        while self.truth < until || settle < 30 || back_at.is_some() {
            self.tick(stepped);
            if hold_at.is_some_and(|at| self.truth >= at && self.truth < at + TICK_US) {
                self.hold(stepped);
            }
            let is_there = self.sim.state().is_there();
            if was_there && !is_there {
                back_at = Some(self.truth + self.rng.within(3, 20) as i64 * SECOND);
            }
            if back_at.is_some_and(|at| self.truth >= at) {
                back_at = None;
                // what was in the page cache is gone, of the index too
                self.sim.state().plug();
            }
            was_there = is_there;
            if self.truth >= until {
                settle += 1;
                if back_at.is_none() {
                    self.sim.state().calm();
                }
            }
            if !self.tally.violations.is_empty() {
                return;
            }
        }
        // all faults are over: in a while all is well again
        self.step_at = None;
        for _ in 0..80 {
            self.is_slow_until = self.ticks;
            self.tick(stepped);
        }
        let status = stepped.library().status();
        let is_short = status.state == "full" && matches!(fault, Some(Fault::NoSpace { .. }));
        if status.state != "ok" && !is_short {
            self.violation(format!("not well at the end of a life: {} {:?}", status.state, status.error));
        }
        self.check(stepped);
    }

    pub(super) fn tick(&mut self, stepped: &mut Stepped) {
        self.ticks += 1;
        self.truth += TICK_US;
        if self.step_at.is_some_and(|at| self.truth >= at) {
            (self.off, self.step_at) = (0, None);
            self.is_sure = self.rng.chance(70);
            self.asked.lying_boots.remove(&self.boots);
            self.calm_from = self.ticks + 100;
            self.told("clock set");
        }
        self.set_clock();
        for n in 0..self.cameras.len() {
            self.feed(n);
        }
        self.happen(stepped);
        if !self.ticks.is_multiple_of(BEAT_TICKS) {
            return;
        }
        stepped.beat();
        self.is_prompt(stepped);
        if self.ticks >= self.is_slow_until {
            if self.rng.chance(4) {
                self.is_slow_until = self.ticks + self.rng.within(5, 60);
            }
            let syncs = self.sim.state().syncs;
            stepped.write_out();
            let (now, calls) = {
                let s = self.sim.state();
                (s.syncs, s.calls)
            };
            crate::log::say(|| format!("   tick {} synced {}", self.ticks, now > syncs));
            if now > syncs && self.crash_at > calls && self.crash_at - calls < 400 {
                self.keep_index("good");
            }
        }
        if cfg!(debug_assertions) {
            stepped.check_invariants();
        }
        self.tell_disk();
    }

    /// After a beat without a fault all but the newest picture is in a slab: with the next write-out it is durable.
    pub(super) fn is_prompt(&mut self, stepped: &Stepped) {
        let is_calm = self.ticks > self.calm_from && self.ticks > self.is_slow_until + 3 * BEAT_TICKS;
        if !is_calm || stepped.library().status().state != "ok" {
            return;
        }
        let written = self.sim.state().newest.clone();
        for n in 0..self.cameras.len() {
            let c = &self.cameras[n];
            let Some(newest) = c.newest.filter(|_| c.is_continuous && c.gop != 1) else { continue };
            let have = written.get(&(n as u8)).copied();
            if have.is_none_or(|have| have + 1 < newest) {
                self.violation(format!(
                    "camera {n}: after a beat frame {have:?} is in a slab, {newest} was fed"
                ));
            }
        }
    }

    /// Somebody keeps what is in a slab.
    pub(super) fn hold(&mut self, stepped: &Stepped) {
        if !self.asked.is_clock_right || !self.held.is_empty() {
            return;
        }
        let slabs: Vec<Vec<Id>> = {
            let s = self.sim.state();
            let ids = |placed: &[crate::disk::Placed]| {
                placed.iter().filter(|p| p.is_durable).map(|p| p.id).collect::<Vec<Id>>()
            };
            s.slabs().map(|(_, inode)| ids(&inode.placed)).filter(|ids| !ids.is_empty()).collect()
        };
        if slabs.is_empty() {
            return;
        }
        let ids = self.rng.pick(&slabs).clone();
        let pictures: Vec<&Id> = ids.iter().filter(|id| !id.is_audio).collect();
        let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else { return };
        let of = &self.fed[usize::from(first.stream)];
        let (from, to) = (of[first.n as usize].truth, of[last.n as usize].truth.plus_micros(1));
        let cameras = vec![self.cameras[usize::from(first.stream)].id.0.clone()];
        let (note, by) = ("a case".into(), "a person".into());
        let hold = Hold { id: 0, cameras, from, to, note, by, made: self.wall() };
        if stepped.library().hold(hold).is_ok() {
            self.told("held");
            self.held = ids;
        }
    }

    pub(super) fn feed(&mut self, n: usize) {
        let (mono, truth, wall, boot) = (self.mono(), self.truth, self.wall(), self.boots);
        let rng = &mut self.rng;
        let c = &mut self.cameras[n];
        let Some(sender) = &mut c.sender else { return };
        if truth < c.away_until {
            return;
        }
        if c.session.is_none() {
            c.session = Some(mono);
            (c.newest, c.is_dropping) = (None, false);
            (c.due, c.audio_due, c.gop) = (mono, mono, 0);
            sender.params(params(c.version, c.audio));
        } else if rng.chance(1) && rng.chance(20) {
            sender.ended(*rng.pick(&[GapCause::Disconnected, GapCause::Stalled, GapCause::Garbage]));
            c.session = None;
            c.away_until = truth + rng.within(1, 12_000) as i64 * 1_000;
            return;
        } else if c.gop == 0 && rng.chance(45) {
            c.version = c.version.wrapping_add(1);
            sender.params(params(c.version, c.audio));
        }
        let session = c.session.expect("was set above");
        let back = |due: i64| (Mono(due as u64), Wall(wall.0 - (mono - due)), Wall(truth - (mono - due)));
        while c.due <= mono {
            let (arrived, wall, truth) = back(c.due);
            let is_key = c.gop == 0;
            let id = Id { stream: n as u8, is_audio: false, n: c.frames };
            let len = if is_key { rng.within(3_000, 14_000) } else { rng.within(60, 1_800) };
            let len = if is_key && rng.chance(2) { 90_000 } else { len };
            let dts = (c.due - session) * 9 / 100;
            let data = frame::bytes(id, len as usize);
            let unit = AccessUnit { media: Media::Video, is_key, dts, cts: 0, arrived, wall, data };
            if sender.unit(unit) && !c.is_dropping {
                c.newest = Some(id.n);
            } else {
                (c.newest, c.is_dropping) = (None, true);
            }
            self.fed[n].push(Fed { truth, boot });
            c.frames += 1;
            c.gop = (c.gop + 1) % 10;
            c.due += FRAME_US;
        }
        while c.audio && c.audio_due <= mono {
            let (arrived, wall, _) = back(c.audio_due);
            let id = Id { stream: n as u8, is_audio: true, n: c.sounds };
            let dts = (c.audio_due - session) * AUDIO_RATE / SECOND;
            let data = frame::bytes(id, 60);
            let unit = AccessUnit { media: Media::Audio, is_key: true, dts, cts: 0, arrived, wall, data };
            sender.unit(unit);
            c.sounds += 1;
            c.audio_due += AUDIO_US;
        }
    }

    /// Triggers and events.
    pub(super) fn happen(&mut self, stepped: &Stepped) {
        if !self.rng.chance(3) {
            return;
        }
        let n = *self.rng.pick(&[0, 2, 3]);
        let what = *self.rng.pick(&[Trigger::Motion, Trigger::Event]);
        stepped.events().trigger(n, what, Mono(self.mono() as u64));
        if what == Trigger::Event {
            self.events += 1;
            let event = Event {
                id: EventId { start: self.wall(), serial: self.events },
                camera: self.cameras[n].id.0.clone(),
                label: "person".into(),
                score: 0.9,
                bbox: BBox { x: 0.1, y: 0.1, w: 0.2, h: 0.5 },
                track: 4,
                end: None,
                rules: Vec::new(),
                model: "00".into(),
                found: None,
            };
            let len = self.rng.within(100, 20_000) as usize;
            let jpeg = self.rng.chance(80).then(|| Bytes::from(vec![self.events as u8; len]));
            stepped.events().event(n, event, jpeg);
        }
    }

    pub(super) fn check(&mut self, stepped: &Stepped) {
        self.tally.checks += 1;
        let (all, _, _) = self.sim.state().slab_bytes();
        if self.asked.is_disk_right && self.asked.are_slabs_right && all != self.quota {
            self.violation(format!("the slabs have {all} bytes, the quota is {}", self.quota));
        }
        let ids: Vec<StreamId> = self.cameras.iter().map(|c| c.id.clone()).collect();
        let wrong = check::all(&self.sim, &stepped.library(), &ids, &self.fed, &self.held, &self.asked);
        for words in wrong {
            self.violation(words);
        }
        self.tell_disk();
        for (n, newest) in self.cut.take().into_iter().flatten().enumerate() {
            let Some(newest) = newest else { continue };
            let found = {
                let s = self.sim.state();
                let ids = s.slabs().flat_map(|(_, inode)| inode.placed.iter().map(|p| p.id));
                ids.filter(|id| usize::from(id.stream) == n && !id.is_audio).map(|id| id.n).max()
            };
            let Some(found) = found else { continue };
            let of = &self.fed[n];
            // from the first frame that is missing to the end of the newest
            let first = of[newest.min(found + 1) as usize].truth;
            let lost = if found < newest { of[newest as usize].truth - first + FRAME_US } else { 0 };
            self.tally.longest_loss_ms = self.tally.longest_loss_ms.max(lost / 1_000);
            if lost > LOSS_US && self.asked.are_slabs_right {
                self.violation(format!("the power cut cost camera {n} {lost} µs"));
            }
        }
    }
}
