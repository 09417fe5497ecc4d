//! One event as it stands in JSON: borrowed where the JSON allows, checked key by key.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::value::{Scalar, Text, Value};
use super::{UnknownKeys, json_reason};
use crate::columns::{COLUMNS, Kind, at};
use crate::time::{from_epoch, parse_rfc3339};

/// Why one event is refused.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) key: Option<String>,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn at(key: &str, reason: impl Into<String>) -> Self {
        Self { key: Some(key.to_owned()), reason: reason.into() }
    }

    pub(super) fn missing(key: &str) -> Self {
        Self::at(key, "is required but missing")
    }
}

/// What only the lake gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    pub(super) seq: u64,
    pub(super) recorded_at_us: i64,
}

/// An event's parts, by column.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) text: [Option<Cow<'a, str>>; COLUMNS.len()],
    pub(super) occurred_at_us: Option<i64>,
    pub(super) sealed: Option<Sealed>,
    pub(super) data: Option<&'a str>,
    /// Keys to move into `data`, with their raw values.
    pub(super) moved: Vec<(Cow<'a, str>, &'a str)>,
    /// Whether the target was given as the first of `targets`.
    pub(super) has_targets: bool,
}

impl<'a> Event<'a> {
    /// Reads a client's event.
    pub(super) fn read(json: &'a [u8], unknown: UnknownKeys) -> Result<Self, Fault> {
        Self::read_with(json, unknown, false)
    }

    /// Reads a canonical line, which has `seq` and `recorded_at`.
    pub(super) fn read_sealed(json: &'a [u8]) -> Result<Self, Fault> {
        Self::read_with(json, UnknownKeys::Refuse, true)
    }

    fn read_with(json: &'a [u8], unknown: UnknownKeys, sealed: bool) -> Result<Self, Fault> {
        let mut event = Self {
            text: [const { None }; COLUMNS.len()],
            occurred_at_us: None,
            sealed: None,
            data: None,
            moved: Vec::new(),
            has_targets: false,
        };
        let mut fault = None;
        let mut lake = (None, None);
        // Checked once as a whole, and not again for each string.
        let text = std::str::from_utf8(json).map_err(|source| Fault {
            key: None,
            reason: format!(
                "malformed JSON: invalid unicode code point (column {})",
                source.valid_up_to() + 1
            ),
        })?;
        let mut json = serde_json::Deserializer::from_str(text);
        let visitor = EventVisitor {
            event: &mut event,
            fault: &mut fault,
            lake: if sealed { Some(&mut lake) } else { None },
            unknown,
            next: 0,
        };
        let read =
            serde::Deserializer::deserialize_map(&mut json, visitor).and_then(|()| json.end());
        if let Err(source) = read {
            return Err(fault.unwrap_or_else(|| Fault { key: None, reason: json_reason(&source) }));
        }
        if let (Some(seq), Some(recorded_at_us)) = lake {
            event.sealed = Some(Sealed { seq, recorded_at_us });
        }
        Ok(event)
    }
}

/// The most unknown keys of one event that move into `data`.
const MAX_MOVED: usize = 256;

/// `seq` and `recorded_at` as found in a canonical line.
type LakeKeys = (Option<u64>, Option<i64>);

struct EventVisitor<'e, 'a> {
    event: &'e mut Event<'a>,
    fault: &'e mut Option<Fault>,
    lake: Option<&'e mut LakeKeys>,
    unknown: UnknownKeys,
    /// Where the column of the next key is looked for first.
    next: usize,
}

impl<'a> EventVisitor<'_, 'a> {
    /// Remembers the fault and gives serde an error to unwind with.
    fn refuse<E: serde::de::Error>(&mut self, key: &str, reason: impl Into<String>) -> E {
        *self.fault = Some(Fault::at(key, reason));
        E::custom("")
    }

    fn group<A: MapAccess<'a>>(
        &mut self,
        group: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let next = self.next;
        map.next_value_seed(GroupVisitor { group, event: self.event, fault: self.fault, next })
    }

    fn time<A: MapAccess<'a>>(&mut self, key: &str, map: &mut A) -> Result<i64, A::Error> {
        let time: Result<i64, String> = match map.next_value_seed(Scalar)? {
            Value::Text(text) => parse_rfc3339(&text).map_err(Into::into),
            Value::Integer(number) => from_epoch(number).map_err(Into::into),
            other => Err(format!(
                "must be an RFC 3339 string or an integer of epoch s, ms or µs, not {other}"
            )),
        };
        time.map_err(|reason| self.refuse(key, reason))
    }

    /// The keys that only a canonical line may carry.
    fn lake_key<A: MapAccess<'a>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if key == "seq" {
            let Value::Integer(number) = map.next_value_seed(Scalar)? else {
                return Err(self.refuse(key, "must be an integer"));
            };
            let Ok(seq) = u64::try_from(number) else {
                return Err(self.refuse(key, "must not be negative"));
            };
            if let Some(lake) = &mut self.lake {
                lake.0 = Some(seq);
            }
        } else {
            let time = self.time(key, map)?;
            if let Some(lake) = &mut self.lake {
                lake.1 = Some(time);
            }
        }
        Ok(())
    }

    fn unknown<A: MapAccess<'a>>(
        &mut self,
        key: Cow<'a, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if self.unknown == UnknownKeys::IntoData {
            let raw: &'a RawValue = map.next_value()?;
            if self.event.moved.len() == MAX_MOVED {
                let reason = format!("is one of more than {MAX_MOVED} unknown keys");
                return Err(self.refuse(&key, reason));
            }
            if self.event.moved.iter().any(|(moved, _)| *moved == key) {
                return Err(self.refuse(&key, "stands twice"));
            }
            self.event.moved.push((key, raw.get()));
            return Ok(());
        }
        let reason = if key == "seq" || key == "recorded_at" {
            "is given by the lake; leave it out, or ask for unknown=data to keep it in data"
        } else {
            "is no key of an event; put it inside data, or ask for unknown=data"
        };
        Err(self.refuse(&key, reason))
    }

    fn data<A: MapAccess<'a>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let raw: &'a RawValue = map.next_value()?;
        match raw.get().as_bytes().first() {
            Some(b'{') if self.event.data.is_none() => self.event.data = Some(raw.get()),
            Some(b'{') => return Err(self.refuse("data", "stands twice")),
            Some(b'n') => {}
            _ => return Err(self.refuse("data", "must be an object")),
        }
        Ok(())
    }
}

impl<'a> Visitor<'a> for EventVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            match key.as_ref() {
                "occurred_at" => {
                    let time = self.time("occurred_at", &mut map)?;
                    if self.event.occurred_at_us.replace(time).is_some() {
                        return Err(self.refuse("occurred_at", "stands twice"));
                    }
                }
                "data" => self.data(&mut map)?,
                "actor" => self.group("actor", &mut map)?,
                "target" if self.event.has_targets => {
                    return Err(self.refuse("target", "stands beside targets; give one of the two"));
                }
                "target" => self.group("target", &mut map)?,
                "policy" => self.group("policy", &mut map)?,
                "context" => self.group("context", &mut map)?,
                "targets" if self.lake.is_none() => self.targets(&mut map)?,
                "seq" | "recorded_at" if self.lake.is_some() => self.lake_key(&key, &mut map)?,
                name => match column_of(None, name, self.next) {
                    Some(position) if is_text(position) => {
                        self.next = position + 1;
                        let value = map.next_value_seed(Scalar)?;
                        set_text(self.event, self.fault, position, value)?;
                    }
                    _ => self.unknown(key, &mut map)?,
                },
            }
        }
        Ok(())
    }
}

impl<'a> EventVisitor<'_, 'a> {
    /// The first of `targets` is the target; the whole list stays in `data`.
    fn targets<A: MapAccess<'a>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let raw: &'a RawValue = map.next_value()?;
        if raw.get() == "null" {
            return Ok(());
        }
        let list: Vec<&'a RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| self.refuse::<A::Error>("targets", "must be an array of objects"))?;
        let Some(first) = list.first() else { return Ok(()) };
        if std::mem::replace(&mut self.event.has_targets, true) {
            return Err(self.refuse("targets", "stands twice"));
        }
        if self.event.text[TARGETS.0..TARGETS.1].iter().any(Option::is_some) {
            return Err(self.refuse("targets", "stands beside target; give one of the two"));
        }
        let mut inner = serde_json::Deserializer::from_str(first.get());
        let (event, fault) = (&mut *self.event, &mut *self.fault);
        let visitor = GroupVisitor { group: "target", event, fault, next: TARGETS.0 };
        if serde::Deserializer::deserialize_map(&mut inner, visitor).is_err() {
            return Err(match self.fault.take() {
                Some(fault) => self.refuse("targets", fault.to_string_in("targets[0]")),
                None => self.refuse("targets", "must be an array of objects"),
            });
        }
        if list.len() > 1 {
            self.event.moved.push((Cow::Borrowed("targets"), raw.get()));
        }
        Ok(())
    }
}

/// The columns of `target`.
const TARGETS: (usize, usize) = (14, 17);

impl Fault {
    fn to_string_in(&self, place: &str) -> String {
        match &self.key {
            Some(key) => format!("{place}: {key} {}", self.reason),
            None => format!("{place}: {}", self.reason),
        }
    }
}

/// The column of a key. It is looked for from `next` on, because most events have their keys
/// in the order of the columns.
fn column_of(group: Option<&str>, key: &str, next: usize) -> Option<usize> {
    let is_it =
        |position: &usize| COLUMNS[*position].key == key && COLUMNS[*position].group == group;
    (next..COLUMNS.len()).chain(0..next).find(is_it)
}

fn is_text(position: usize) -> bool {
    matches!(COLUMNS[position].kind, Kind::Text | Kind::Dict)
}

struct GroupVisitor<'e, 'a> {
    group: &'static str,
    event: &'e mut Event<'a>,
    fault: &'e mut Option<Fault>,
    next: usize,
}

impl GroupVisitor<'_, '_> {
    fn no_object<E: serde::de::Error>(self) -> E {
        *self.fault = Some(Fault::at(self.group, "must be an object"));
        E::custom("")
    }
}

impl<'a> DeserializeSeed<'a> for GroupVisitor<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for GroupVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    /// A null says nothing of the group.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.no_object())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.no_object())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.no_object())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.no_object())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.no_object())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<(), A::Error> {
        Err(self.no_object())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            let Some(position) = column_of(Some(self.group), &key, self.next) else {
                let allowed: Vec<_> = COLUMNS
                    .iter()
                    .filter(|column| column.group == Some(self.group))
                    .map(|column| column.key)
                    .collect();
                *self.fault = Some(Fault::at(
                    &format!("{}.{key}", self.group),
                    format!("is no key of {}; allowed are {}", self.group, allowed.join(", ")),
                ));
                return Err(A::Error::custom(""));
            };
            self.next = position + 1;
            let value = map.next_value_seed(Scalar)?;
            set_text(self.event, self.fault, position, value)?;
        }
        Ok(())
    }
}

fn set_text<'a, E: serde::de::Error>(
    event: &mut Event<'a>,
    fault: &mut Option<Fault>,
    position: usize,
    value: Value<'a>,
) -> Result<(), E> {
    let refuse = |fault: &mut Option<Fault>, reason: String| {
        *fault = Some(Fault::at(&COLUMNS[position].path(), reason));
        E::custom("")
    };
    match value {
        Value::Text(_) if event.text[position].is_some() => {
            Err(refuse(fault, "stands twice".to_owned()))
        }
        Value::Text(text) => {
            event.text[position] = Some(text);
            Ok(())
        }
        Value::Null if position != at::TENANT_ID => Ok(()),
        other => Err(refuse(fault, format!("must be a string, not {other}"))),
    }
}
