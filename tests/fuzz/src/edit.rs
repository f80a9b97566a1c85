//! A file of boxes and choices → the same file with some boxes cut, dropped, doubled, renamed or rewritten. All lengths
//! around them stay true, so that the choices reach the parser of what is inside.

use crate::draw::Draw;
use crate::fmp4;
use nightjar_media::walk::Boxes;
use std::borrow::Cow;

/// Inputs that begin with this are choices for [`file`]; all others are files.
const MARK: &[u8] = b"edit";

/// Bytes in front of the boxes inside a box: none for most kinds (ISO/IEC 14496-12 sections 8.5.2 and 12).
fn prefix(kind: &[u8; 4]) -> Option<usize> {
    match kind {
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"moof" | b"traf" | b"mvex" | b"edts" => Some(0),
        b"stsd" => Some(8),
        b"avc1" | b"hvc1" => Some(78),
        b"mp4a" => Some(28),
        _ => None,
    }
}

#[derive(Debug, Clone)]
struct Node {
    kind: [u8; 4],
    body: Vec<u8>,
    inside: Vec<Node>,
}

fn parse(data: &[u8]) -> Vec<Node> {
    let node = |found: nightjar_media::walk::Box<'_>| {
        let own = prefix(&found.kind).map_or(found.body.len(), |len| len.min(found.body.len()));
        let (body, inside) = found.body.split_at(own);
        Node { kind: found.kind, body: body.to_vec(), inside: parse(inside) }
    };
    Boxes::new(data).flatten().map(node).collect()
}

fn write(nodes: &[Node], out: &mut Vec<u8>) {
    for node in nodes {
        let start = out.len();
        out.extend([0; 4]);
        out.extend(node.kind);
        out.extend(&node.body);
        write(&node.inside, out);
        let len = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }
}

fn count(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| 1 + count(&node.inside)).sum()
}

/// Changes the `n`th box, counted as they stand in the file.
fn edit(nodes: &mut Vec<Node>, n: &mut usize, draw: &mut Draw<'_>) {
    for at in 0..nodes.len() {
        if *n == 0 {
            change(nodes, at, draw);
            *n = usize::MAX;
        }
        if *n == usize::MAX {
            return;
        }
        *n -= 1;
        edit(&mut nodes[at].inside, n, draw);
    }
}

fn change(nodes: &mut Vec<Node>, at: usize, draw: &mut Draw<'_>) {
    let siblings = count(nodes);
    let node = &mut nodes[at];
    let len = node.body.len();
    match draw.u8() % 8 {
        0 => node.body.truncate(draw.below(len + 1)),
        1 => {
            let more = usize::from(draw.u8());
            node.body.extend(draw.take(more));
        }
        2 if len > 0 => {
            let place = draw.below(len);
            node.body[place] = draw.u8();
        }
        3 if len >= 4 => {
            let place = draw.below(len / 4) * 4;
            node.body[place..place + 4].copy_from_slice(&draw.u32().to_be_bytes());
        }
        4 if siblings < 200 => {
            let double = node.clone();
            nodes.insert(at, double);
        }
        5 => drop(nodes.remove(at)),
        6 => {
            let kind = fmp4::WORDS[draw.below(fmp4::WORDS.len())];
            node.kind.copy_from_slice(kind.as_bytes());
        }
        _ => {
            let other = draw.below(nodes.len());
            nodes.swap(at, other);
        }
    }
}

/// The file that `data` is, or that it makes out of one of `files`.
pub(crate) fn file<'a>(data: &'a [u8], files: &[Vec<u8>]) -> Cow<'a, [u8]> {
    let Some(choices) = data.strip_prefix(MARK) else { return data.into() };
    let mut draw = Draw::new(choices);
    let chosen = usize::from(draw.u8()) % files.len();
    let mut nodes = parse(&files[chosen]);
    while !draw.is_empty() {
        let mut n = draw.below(count(&nodes).max(1));
        edit(&mut nodes, &mut n, &mut draw);
    }
    let mut out = Vec::new();
    write(&nodes, &mut out);
    out.into()
}

/// Inputs with choices, to begin with: one for each of so many files.
pub(crate) fn seeds(files: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..files as u8).map(|seed| [MARK, &[seed, 9, 2, 0, 7]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_the_file_stays_as_it_is() {
        for (n, seed) in (0u8..).zip(&*fmp4::FILES) {
            let input = [MARK, &[n]].concat();
            assert_eq!(file(&input, &fmp4::FILES), *seed);
        }
    }

    #[test]
    fn an_edit_keeps_the_lengths_around_it_true() {
        let input = seeds(1).next().expect("one was asked for");
        let edited = file(&input, &fmp4::FILES);
        assert_ne!(edited, fmp4::FILES[0]);
        assert!(Boxes::new(&edited).all(|found| found.is_ok()));
    }
}
