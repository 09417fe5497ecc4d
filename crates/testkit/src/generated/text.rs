//! Cells of text, and the JSON objects that `data` holds.

use super::choices::Choices;
use super::special::{BORDERS, LENGTHS, SPECIAL_TEXTS};

const FILLS: [&str; 6] = ["a", "0", " ", "é", "漢", "🦀"];

/// Values that only a verbatim copy keeps: numbers that a reader would round or shorten, and
/// escapes that a writer would choose another way.
const JSON_SCALARS: [&str; 12] = [
    "null",
    "true",
    "0",
    "-0",
    "1.50",
    "1E+2",
    "18446744073709551616",
    "0.1000000000000000055511151231257827",
    r#""\u00e9\u000A\/\"\\""#,
    r#""\ud83e\udd80""#,
    r#""=1+1""#,
    "\"\u{2028}\u{7f}\"",
];

/// Text of at most about `longest` bytes: filled up between special characters, which stand at
/// its ends, at the borders of chunks, or anywhere.
pub(super) fn text(choices: &mut Choices<'_>, longest: usize) -> String {
    let length = choices.pick(LENGTHS).min(longest);
    let fill = choices.pick(&FILLS);
    let mut text = String::new();
    match choices.below(6) {
        5 => (0..length.min(48)).for_each(|_| text.push(char::from(choices.byte()))),
        count => (0..count).for_each(|_| push_special(choices, length, fill, &mut text)),
    }
    fill_up(length, fill, &mut text);
    text
}

fn push_special(choices: &mut Choices<'_>, length: usize, fill: &str, text: &mut String) {
    let left = length.saturating_sub(text.len());
    let skipped = match choices.below(4) {
        0 => 0,
        1 => left,
        2 => choices.pick(&BORDERS).saturating_sub(text.len()).min(left),
        _ => choices.below(left + 1),
    };
    fill_up(text.len() + skipped, fill, text);
    text.push_str(choices.pick(SPECIAL_TEXTS));
}

/// Makes the text exactly so long, unless it is longer.
fn fill_up(length: usize, fill: &str, text: &mut String) {
    let space = length.saturating_sub(text.len());
    text.push_str(&fill.repeat(space / fill.len()));
    text.push_str(&"a".repeat(space % fill.len()));
}

/// A JSON object without white space between its tokens.
pub(super) fn object(choices: &mut Choices<'_>, longest: usize) -> String {
    let mut json = String::new();
    // It has many strings: a long one among them is enough.
    push_object(choices, longest.min(4096) / 8, 3, &mut json);
    json
}

fn push_object(choices: &mut Choices<'_>, longest: usize, depth: usize, json: &mut String) {
    json.push('{');
    for member in 0..choices.below(4) {
        if member > 0 {
            json.push(',');
        }
        push_string(choices, longest, json);
        json.push(':');
        push_value(choices, longest, depth, json);
    }
    json.push('}');
}

fn push_value(choices: &mut Choices<'_>, longest: usize, depth: usize, json: &mut String) {
    match choices.below(if depth == 0 { 3 } else { 5 }) {
        0 => json.push_str(choices.pick(&JSON_SCALARS)),
        1 | 2 => push_string(choices, longest, json),
        3 => {
            json.push('[');
            for element in 0..choices.below(4) {
                if element > 0 {
                    json.push(',');
                }
                push_value(choices, longest, depth - 1, json);
            }
            json.push(']');
        }
        _ => push_object(choices, longest, depth - 1, json),
    }
}

fn push_string(choices: &mut Choices<'_>, longest: usize, json: &mut String) {
    let text = text(choices, longest);
    json.push_str(&serde_json::to_string(&text).expect("any text is a JSON string"));
}
