//! `sysusers.d` files → lines of `passwd`, `group` and `shadow`, as systemd-sysusers would write them at the first boot: a
//! read-only root has its users from the beginning, and every build gives them the same numbers.
//! Format: `man 5 sysusers.d`.

use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers are given out downwards from here where a file names none.
const FIRST_FREE: u32 = 999;

/// The three files as they grow.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Lines of `passwd` by name, with those that were there.
    people: Vec<(String, String)>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    name: String,
    number: u32,
    members: BTreeSet<String>,
}

impl Users {
    /// From Debian's masters of `passwd` and `group`.
    pub(super) fn from_masters(passwd: &str, group: &str) -> Self {
        let mut users = Self::default();
        for line in passwd.lines() {
            if let Some((name, rest)) = line.split_once(":*:") {
                users.people.push((name.to_owned(), rest.to_owned()));
            }
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(number)) =
                (fields.next(), fields.nth(1).and_then(|text| text.parse().ok()))
            {
                users.groups.push(Group { name: name.to_owned(), number, members: BTreeSet::new() });
            }
        }
        users
    }

    /// Takes in all files, in the order of their names.
    pub(super) fn add(&mut self, files: &BTreeMap<String, String>) -> Result<()> {
        let lines =
            || files.iter().flat_map(|(file, text)| text.lines().map(move |line| (file, fields(line))));
        // Groups first: a user may name one that a later file makes.
        for kind in ["g", "u", "m"] {
            for (file, line) in lines() {
                let Some(first) = line.first() else { continue };
                if first.trim_end_matches('!') == kind {
                    self.take(kind, &line)
                        .map_err(|error| error.context(format!("{file}: {}", line.join(" "))))?;
                } else if !["g", "u", "m", "r"].contains(&first.trim_end_matches('!')) {
                    bail!("{file}: `{first}` is no kind of line that is known");
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, kind: &str, line: &[String]) -> Result<()> {
        let field =
            |n: usize| line.get(n).map(String::as_str).filter(|text| *text != "-" && !text.is_empty());
        let Some(name) = field(1) else { bail!("it has no name") };
        match kind {
            "g" => {
                self.group(name, field(2).and_then(|text| text.parse().ok()));
            }
            "u" => {
                if self.people.iter().any(|(there, _)| there == name) {
                    return Ok(());
                }
                let (number, group) = match field(2).map(|text| text.split_once(':').unwrap_or((text, ""))) {
                    Some((number, group)) => (number.parse().ok(), group),
                    None => (None, ""),
                };
                let group = match (group, group.parse()) {
                    ("", _) => self.group(name, number),
                    (_, Ok(number)) => number,
                    (other, _) => self.group(other, None),
                };
                let number = number.unwrap_or(if self.has_person(group) { self.free() } else { group });
                let (words, home) = (field(3).unwrap_or_default(), field(4).unwrap_or("/"));
                let shell = field(5).unwrap_or("/usr/sbin/nologin");
                self.people.push((name.to_owned(), format!("{number}:{group}:{words}:{home}:{shell}")));
            }
            _ => {
                let Some(group) = field(2) else { bail!("it names no group") };
                self.group(group, None);
                for known in self.groups.iter_mut().filter(|known| known.name == group) {
                    known.members.insert(name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// The number of a group, which is made if it is not there.
    fn group(&mut self, name: &str, wanted: Option<u32>) -> u32 {
        if let Some(known) = self.groups.iter().find(|group| group.name == name) {
            return known.number;
        }
        let taken = |number: u32| self.groups.iter().any(|group| group.number == number);
        let number = wanted.filter(|number| !taken(*number)).unwrap_or_else(|| self.free());
        self.groups.push(Group { name: name.to_owned(), number, members: BTreeSet::new() });
        number
    }

    fn has_person(&self, number: u32) -> bool {
        let start = format!("{number}:");
        self.people.iter().any(|(_, rest)| rest.starts_with(&start))
    }

    /// The highest number that neither a group nor a user has.
    fn free(&self) -> u32 {
        let is_taken = |number: &u32| {
            self.has_person(*number) || self.groups.iter().any(|group| group.number == *number)
        };
        (1..=FIRST_FREE).rev().find(|number| !is_taken(number)).unwrap_or(FIRST_FREE)
    }

    pub(super) fn passwd(&self) -> String {
        self.people.iter().map(|(name, rest)| format!("{name}:x:{rest}\n")).collect()
    }

    pub(super) fn group_file(&self) -> String {
        let line = |group: &Group| {
            let members = group.members.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            format!("{}:x:{}:{members}\n", group.name, group.number)
        };
        self.groups.iter().map(line).collect()
    }

    /// Nobody has a password.
    pub(super) fn shadow(&self) -> String {
        self.people.iter().map(|(name, _)| format!("{name}:*:20000::::::\n")).collect()
    }

    /// Its number, if there is such a group.
    pub(super) fn number_of_group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|group| group.name == name).map(|group| group.number)
    }
}

/// Words of a line; those in double quotes are one.
fn fields(line: &str) -> Vec<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    let mut fields = Vec::new();
    let mut is_quoted = false;
    let mut word = String::new();
    let mut has_word = false;
    for letter in line.chars() {
        match letter {
            '"' => (is_quoted, has_word) = (!is_quoted, true),
            ' ' | '\t' if !is_quoted => {
                if has_word {
                    fields.push(std::mem::take(&mut word));
                }
                has_word = false;
            }
            _ => {
                word.push(letter);
                has_word = true;
            }
        }
    }
    if has_word {
        fields.push(word);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(files: &[(&str, &str)]) -> Users {
        let mut users = Users::from_masters("root:*:0:0:root:/root:/bin/bash\n", "root:*:0:\nvideo:*:44:\n");
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        users.add(&files).expect("all lines are known");
        users
    }

    #[test]
    fn a_user_gets_its_group_its_number_and_its_memberships() {
        let text =
            "g gpio - -\nu nightjar - \"A recorder\" /var/lib/nightjar\nm nightjar gpio\nm nightjar video\n";
        let users = users(&[("n.conf", text)]);
        assert!(
            users.passwd().contains("nightjar:x:998:998:A recorder:/var/lib/nightjar:/usr/sbin/nologin\n"),
            "{users:?}"
        );
        assert_eq!(
            users.group_file(),
            "root:x:0:\nvideo:x:44:nightjar\ngpio:x:999:nightjar\nnightjar:x:998:\n"
        );
        assert!(users.shadow().contains("nightjar:*:"));
    }

    #[test]
    fn who_came_first_keeps_its_number_whoever_comes_after() {
        let own = ("n.conf".to_owned(), "g gpio - -\nu nightjar - - - -\n".to_owned());
        let mut users = Users::default();
        users.add(&[own].into()).unwrap();
        let alone = users.passwd();
        users.add(&[("a.conf".to_owned(), "g x - -\nu early - - - -\n".to_owned())].into()).unwrap();
        assert!(users.passwd().starts_with(&alone) && users.passwd().contains("early"));
    }

    #[test]
    fn what_was_there_stays_and_wanted_numbers_are_kept() {
        let users = users(&[(
            "a.conf",
            "u root 0 \"\" /root /bin/sh\nu! bus 61 - -\nu _x 70:video - -\n# u no - -\n",
        )]);
        assert_eq!(users.passwd().matches("root").count(), 3);
        assert!(users.passwd().contains("bus:x:61:61::/:/usr/sbin/nologin"));
        assert!(users.passwd().contains("_x:x:70:44::/:"));
        assert_eq!(users.number_of_group("bus"), Some(61));
    }

    #[test]
    fn a_line_of_another_kind_is_named() {
        let files = [("b.conf".to_owned(), "z nobody\n".to_owned())].into();
        let error = Users::default().add(&files).expect_err("z is no kind");
        assert!(error.to_string().contains("b.conf"));
    }
}
