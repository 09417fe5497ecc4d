//! Little templates: JSON text in which `$` and a letter stand for something made up.
//! They are taken apart once; filling one in copies bytes.

use rand::RngCore;
use rand::rngs::SmallRng;

use super::catalog::{ODD, list, lists};
use super::people::Tenant;
use super::render::{below, decimal, hex, short};
use crate::text::escape_into;

/// One thing in a thousand has a name that no program expects.
const ODD_ONE_IN: u64 = 1000;

/// The words to choose from, escaped for JSON.
#[derive(Debug)]
pub(super) struct Words {
    lists: Vec<Vec<Vec<u8>>>,
    titles: Vec<Vec<u8>>,
    notes: Vec<Vec<u8>>,
    odd: Vec<Vec<u8>>,
}

fn escaped(words: &[&str]) -> Vec<Vec<u8>> {
    words
        .iter()
        .map(|word| {
            let mut out = Vec::with_capacity(word.len());
            escape_into(word, &mut out);
            out
        })
        .collect()
}

impl Words {
    pub(super) fn new() -> Self {
        Self {
            lists: lists().iter().map(|(_, words)| escaped(words)).collect(),
            titles: escaped(&list(b'D')),
            notes: escaped(&list(b'R')),
            odd: escaped(ODD),
        }
    }
}

fn any<'a>(words: &'a [Vec<u8>], rng: &mut SmallRng) -> &'a [u8] {
    &words[below(words.len() as u32, rng) as usize]
}

/// What a template is filled from.
pub(super) struct Fill<'a> {
    pub(super) words: &'a Words,
    pub(super) tenant: &'a Tenant,
    /// The thing the event is about; its id and its label both follow from this.
    pub(super) object: u64,
}

#[derive(Debug)]
enum Piece {
    Text(&'static str),
    /// `$n`: a number below 1000.
    Small,
    /// `$N`: a number below ten million.
    Large,
    /// `$b`: true or false.
    Flag,
    /// `$x`: sixteen hexadecimal digits.
    Hex,
    /// `$o`: the id of the thing.
    Object,
    /// `$l`: the label of the thing.
    Label,
    /// `$U`: kind, id and label of somebody in the tenant.
    Peer,
    /// `$t`: a remark.
    Note,
    /// Any other letter: one of the words listed for it.
    Word(usize),
}

/// JSON text with gaps.
#[derive(Debug)]
pub(super) struct Template {
    before: &'static str,
    pieces: Vec<Piece>,
    after: &'static str,
    /// Whether words follow from the thing, so that it is the same each time it is named.
    steady: bool,
}

impl Template {
    /// Takes `text` apart.
    pub(super) fn new(text: &'static str) -> Self {
        let mut parts = text.split('$');
        let mut pieces = vec![Piece::Text(parts.next().unwrap_or(""))];
        for part in parts {
            // A letter that means nothing is left in the text, where the tests find it.
            let Some(piece) = part.bytes().next().and_then(gap) else {
                pieces.push(Piece::Text("$"));
                pieces.push(Piece::Text(part));
                continue;
            };
            pieces.push(piece);
            pieces.push(Piece::Text(&part[1..]));
        }
        pieces.retain(|piece| !matches!(piece, Piece::Text("")));
        Self { before: "", pieces, after: "", steady: false }
    }

    /// The target of an event, from what is inside of it; nothing when that is empty.
    pub(super) fn target(inside: &'static str) -> Self {
        let template = Self { steady: true, ..Self::new(inside) };
        if inside.is_empty() {
            return template;
        }
        Self { before: ",\"target\":{", after: "}", ..template }
    }

    /// The details of an event; nothing when they are empty.
    pub(super) fn data(object: &'static str) -> Self {
        let before = if object.is_empty() { "" } else { ",\"data\":" };
        Self { before, ..Self::new(object) }
    }

    /// Appends the text with its gaps filled.
    #[inline]
    pub(super) fn render(&self, fill: &Fill<'_>, rng: &mut SmallRng, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Small => decimal(below(1000, rng), out),
                Piece::Large => decimal(below(10_000_000, rng), out),
                Piece::Flag => {
                    out.extend_from_slice(if below(2, rng) == 0 { b"false" } else { b"true" });
                }
                Piece::Hex => hex(rng.next_u64(), out),
                Piece::Object => out.extend_from_slice(&short(fill.object)),
                Piece::Label => fill.label(out),
                Piece::Peer => out.extend_from_slice(fill.tenant.peer(rng)),
                Piece::Note => {
                    let odd = below(32, rng) == 0;
                    let words = if odd { &fill.words.odd } else { &fill.words.notes };
                    out.extend_from_slice(any(words, rng));
                }
                Piece::Word(list) if self.steady => {
                    let words = &fill.words.lists[*list];
                    out.extend_from_slice(&words[(fill.object >> 20) as usize % words.len()]);
                }
                Piece::Word(list) => out.extend_from_slice(any(&fill.words.lists[*list], rng)),
            }
        }
        out.extend_from_slice(self.after.as_bytes());
    }
}

fn gap(letter: u8) -> Option<Piece> {
    Some(match letter {
        b'n' => Piece::Small,
        b'N' => Piece::Large,
        b'b' => Piece::Flag,
        b'x' => Piece::Hex,
        b'o' => Piece::Object,
        b'l' => Piece::Label,
        b'U' => Piece::Peer,
        b't' => Piece::Note,
        other => Piece::Word(lists().iter().position(|(listed, _)| *listed == other)?),
    })
}

impl Fill<'_> {
    fn label(&self, out: &mut Vec<u8>) {
        let object = self.object >> 8;
        if object.is_multiple_of(ODD_ONE_IN) {
            let odd = &self.words.odd;
            out.extend_from_slice(&odd[(object / ODD_ONE_IN) as usize % odd.len()]);
            return;
        }
        let titles = &self.words.titles;
        out.extend_from_slice(&titles[object as usize % titles.len()]);
        out.push(b' ');
        decimal((object >> 24) as u32 % 500, out);
    }
}
